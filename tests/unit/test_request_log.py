"""A server's request log: what waits is bounded, and given back once it is written."""

import json
from pathlib import Path

import pytest

from airflow_ml_provider.runtime.stages.serve import request_log
from airflow_ml_provider.runtime.stages.serve.request_log import RequestLog
from airflow_ml_provider.testing.airflow_api import wait_until

ASKED = json.dumps({"dataframe_records": [{"a": "x" * 20_000}]}).encode()
SAID = json.dumps({"predictions": [1]}).encode()


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "EVERY_SECONDS", 0.05)
    monkeypatch.setattr(request_log, "_BYTES", 100_000)
    made = RequestLog(f"file://{tmp_path}", model={"name": "m", "version": "1"}, share=1.0)
    yield made
    made.close()


def rows(tmp_path):
    return sum(len(path.read_text().splitlines()) for path in Path(tmp_path).rglob("*.jsonl"))


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
    assert f"{30 - kept} requests are not in the request log: they came faster" in capfd.readouterr().out
