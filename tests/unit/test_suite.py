"""A suite's file, as far as it can be checked without Great Expectations."""

import json

import pytest

from airflow_ml_provider.spec.checks.suite import SUITE_LIMIT_BYTES, SuiteError, check_suite


def test_a_sound_suite_is_returned_as_it_is(tmp_path):
    content = json.dumps({"name": "x", "expectations": [{"type": "y"}]}).encode()
    (tmp_path / "suite.json").write_bytes(content)
    assert check_suite(tmp_path / "suite.json") == content


def test_what_is_no_suite_says_why(tmp_path):
    (tmp_path / "folder").mkdir()
    big = tmp_path / "big.json"
    with big.open("wb") as file:
        file.truncate(SUITE_LIMIT_BYTES + 1)
    for name, told in (
        ("folder", "is not a file"),
        ("none.json", "does not exist"),
        ("x" * 300, "cannot be read: File name too long"),
        ("a\0b", "does not exist"),
        ("big.json", "has over 16,777,216 bytes"),
    ):
        with pytest.raises(SuiteError, match=told):
            check_suite(tmp_path / name)
