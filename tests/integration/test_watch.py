"""A dataset predicted in pieces, and watched: drift starts another pipeline, and not for ever."""

import json
from pathlib import Path
from urllib.parse import urlparse

import pandas as pd
import pytest

from airflow_ml_provider.testing.airflow_api import wait_until

DAG, RETRAINED = "watched", "retrained"


def local(ref):
    return Path(urlparse(ref["uri"]).path)


def rejected_rows(airflow, run):
    folder = local(airflow.api.xcom(DAG, run, "predict", "rejected"))
    return [json.loads(line) for path in folder.glob("*.jsonl") for line in path.open()]


def runs(airflow):
    return [run["dag_run_id"] for run in airflow.api.get(f"/dags/{RETRAINED}/dagRuns")["dag_runs"]]


@pytest.fixture(scope="module")
def calm(airflow):
    airflow.api.wait_for_dag(RETRAINED)
    run, state, _ = airflow.run(DAG)
    assert state == "success", airflow.api.log(DAG, run, "predict") + airflow.api.log(DAG, run, "monitor")
    return run


def test_every_row_is_predicted_once_by_two_workers(airflow, calm):
    table = pd.read_parquet(local(airflow.api.xcom(DAG, calm, "predict", "predictions")))
    assert sorted(table["id"]) == list(range(1200))
    assert (table["prediction"] - 2 * table["x"]).abs().max() < 0.1
    metrics = airflow.api.xcom(DAG, calm, "predict", "metrics")
    assert (metrics["rows"], metrics["rejected"], metrics["files"]) == (1200, 0, 3)
    assert "3 of 3 pieces are done" in airflow.api.log(DAG, calm, "predict")
    assert rejected_rows(airflow, calm) == []
    assert airflow.api.xcom(DAG, calm, "predict", "model") == {"name": "slope", "version": "1"}


def test_what_did_not_change_raises_no_alarm(airflow, calm):
    assert airflow.api.xcom(DAG, calm, "monitor", "drift")["drifted"] == []
    assert airflow.api.xcom(DAG, calm, "monitor", "alarm")["raised"] is False
    metrics = airflow.api.xcom(DAG, calm, "monitor", "metrics")
    assert metrics["labelled_rows"] == 1200
    assert metrics["rmse"] < 0.2
    report = local(airflow.api.xcom(DAG, calm, "monitor", "report"))
    assert "| x | number |" in (report / "drift.md").read_text()
    assert runs(airflow) == []


def test_drift_starts_the_other_pipeline_and_not_again_within_the_cooldown(airflow, calm):
    run, state, _ = airflow.run(DAG, shift=3.0)
    assert state == "success", airflow.api.log(DAG, run, "monitor")
    alarm = airflow.api.xcom(DAG, run, "monitor", "alarm")
    assert (alarm["raised"], alarm["told"]) == (True, True)
    assert airflow.api.xcom(DAG, run, "monitor", "drift")["drifted"] == ["x"]
    wait_until(lambda: len(runs(airflow)) == 1, what="a run of the other pipeline", seconds=60)
    (started,) = runs(airflow)
    assert airflow.api.wait_for_run(RETRAINED, started, seconds=60) == "success"
    told = local(airflow.api.xcom(RETRAINED, started, "told", "told")).read_text()
    assert json.loads(json.loads(told)["event"]) == ["x"]

    again, state, _ = airflow.run(DAG, shift=3.0)
    assert state == "success"
    alarm = airflow.api.xcom(DAG, again, "monitor", "alarm")
    assert (alarm["raised"], alarm["told"]) == (True, False)
    assert "no event is emitted: run" in airflow.api.log(DAG, again, "monitor")
    assert len(runs(airflow)) == 1


def test_rows_that_are_none_are_set_apart_and_too_many_fail_the_stage(airflow, calm):
    few, state, _ = airflow.run(DAG, odd=2)
    assert state == "success", airflow.api.log(DAG, few, "predict")
    rejected = sorted(rejected_rows(airflow, few), key=lambda row: (row["file"], row["row"]))
    assert [(row["file"], row["row"]) for row in rejected] == [(f"{n}.csv", i) for n in range(3) for i in (0, 1)]
    assert rejected[0]["reason"] == "x is 'lots', a number is wanted"
    assert (rejected[0]["values"]["id"], rejected[0]["values"]["x"]) == (0, "lots")
    assert airflow.api.xcom(DAG, few, "predict", "metrics")["predicted"] == 1194

    many = airflow.api.trigger(DAG, conf={"odd": 20})
    assert airflow.api.wait_for_run(DAG, many, seconds=120) == "failed"
    assert "60 of 1200 rows were rejected, 5.00%, and max_rejected is 1.00%" in airflow.api.log(DAG, many, "predict")
    assert "60 rows: x: a number is wanted" in airflow.api.log(DAG, many, "predict")
