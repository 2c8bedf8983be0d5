"""A server's request log: its budgets, the types of its columns, what it leaves out."""

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from airflow_ml_provider.runtime.stages.serve import request_log
from airflow_ml_provider.runtime.stages.serve.counters import Counters
from airflow_ml_provider.runtime.stages.serve.logged_rows import rows_of, to_parquet
from airflow_ml_provider.runtime.stages.serve.request_log import RequestLog
from airflow_ml_provider.testing.airflow_api import wait_until

ASKED = json.dumps({"dataframe_records": [{"a": "x" * 20_000}]}).encode()
SAID = json.dumps({"predictions": [1]}).encode()


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "EVERY_SECONDS", 0.05)
    monkeypatch.setattr(request_log, "_BYTES", 100_000)
    made = RequestLog(
        f"file://{tmp_path}", model={"name": "m", "version": "1"}, share=1.0, columns=None, counters=Counters()
    )
    yield made
    made.close()


def rows(tmp_path):
    return sum(pq.read_metadata(path).num_rows for path in Path(tmp_path).rglob("*.requests.parquet"))


def test_a_server_that_lives_long_keeps_its_log(log, tmp_path):
    for number in range(1, 31):
        log.add(ASKED, SAID, seconds=0.01)
        wait_until(lambda number=number: rows(tmp_path) == number, what=f"row {number}", seconds=10, every=0.01)


def test_what_comes_too_fast_is_counted(log, tmp_path, capfd):
    for _ in range(30):
        log.add(ASKED, SAID, seconds=0.01)
    log.close()
    kept = rows(tmp_path)
    assert 0 < kept < 30
    assert log._counters.unlogged == 30 - kept
    assert f"{30 - kept} requests are not in the request log: they are too large, or came" in capfd.readouterr().out


def test_a_minute_has_a_budget(log, tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "_MINUTE_BYTES", 50_000)
    for number in range(1, 5):
        log.add(ASKED, SAID, seconds=0.01)
        wait_until(lambda number=number: rows(tmp_path) == min(number, 2), what=f"row {number}", seconds=10, every=0.01)
    assert log._counters.unlogged == 2
    monkeypatch.setattr(request_log, "_MINUTE", 0.0)
    log.add(ASKED, SAID, seconds=0.01)
    wait_until(lambda: rows(tmp_path) == 3, what="a row of the next minute", seconds=10, every=0.01)


def test_a_file_is_bounded(log, tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "EVERY_SECONDS", 60.0)
    monkeypatch.setattr(request_log, "_FILE_BYTES", 30_000)
    for _ in range(4):
        log.add(ASKED, SAID, seconds=0.01)
    wait_until(lambda: rows(tmp_path) == 4, what="two files", seconds=10, every=0.01)
    assert sorted(pq.read_metadata(path).num_rows for path in Path(tmp_path).rglob("*.parquet")) == [2, 2]


TYPES = {"b": "boolean", "n": "long", "f": "double", "t": "text", "seconds": "double"}
ODD = [True, 7, 7.0, 7.5, 2**70, 1e400, "text", None, [1, {"a": 2}]]


def written(asked, said, columns):
    found = rows_of(json.dumps(asked).encode(), json.dumps(said).encode(), at=0.0, seconds=0.5, columns=columns)
    return pq.read_table(io.BytesIO(to_parquet([found], columns=columns, version="3"))).to_pydict()


def test_columns_have_the_types_of_the_signature_whatever_is_sent():
    asked = {"dataframe_records": [dict.fromkeys([*TYPES, "another"], value) for value in ODD]}
    found = written(asked, {"predictions": list(range(len(ODD)))}, TYPES)
    assert found["b"] == [True, *[None] * 8]
    assert found["n"] == [None, 7, 7, *[None] * 6]
    assert found["f"] == [None, 7.0, 7.0, 7.5, float(2**70), float("inf"), None, None, None]
    assert found["t"] == ["true", "7", "7.0", "7.5", str(2**70), "Infinity", "text", None, '[1, {"a": 2}]']
    assert found["input_seconds"][1] == 7.0
    assert found["seconds"] == [0.5] * len(ODD)
    assert found["requested_at"][0] == "1970-01-01T00:00:00+00:00"
    assert found["model_version"] == ["3"] * len(ODD)
    assert found["row"] == list(range(len(ODD)))
    assert "another" not in found


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([1, None, 2], [1, None, 2]),
        ([1, 2.5], [1.0, 2.5]),
        ([True, False], [True, False]),
        (["a", None], ["a", None]),
        ([1, "a"], ["1", "a"]),
        ([[1], [2]], ["[1]", "[2]"]),
    ],
)
def test_without_a_signature_the_values_say_the_type(values, kept):
    asked = {"dataframe_split": {"columns": ["c"], "data": [[value] for value in values]}}
    assert written(asked, {"predictions": values}, None)["c"] == kept


def test_without_a_signature_columns_are_bounded():
    asked = {"dataframe_records": [{f"c{number}": 1 for number in range(1_000)}]}
    assert len(written(asked, {"predictions": [1]}, None)) == 206


@pytest.mark.parametrize(
    ("asked", "columns", "name"),
    [
        ({"inputs": [1.0, 2.0]}, None, "input"),
        ({"instances": [1.0, 2.0]}, {"x": "double"}, "x"),
        ({"inputs": {"x": [1.0, 2.0]}}, {"x": "double"}, "x"),
    ],
)
def test_forms_of_a_request(asked, columns, name):
    assert written(asked, {"predictions": [1, 2]}, columns)[name] == [1.0, 2.0]


@pytest.mark.parametrize("asked", [b"{", b"[]", b'{"messages": []}', b'{"inputs": [1]}'])
def test_what_has_no_rows_is_left_out(asked):
    assert rows_of(asked, b'{"predictions": [1, 2]}', at=0.0, seconds=0.1, columns=None) is None
