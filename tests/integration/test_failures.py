"""Bad input and dead processes: a clear error, nothing half-written, no run left open, no version."""

import os
import re
import signal
from pathlib import Path

import pytest

from airflow_ml_provider.testing.airflow_api import wait_until

GOOD = "name,age\nAda,36\nGrace,45\n"


@pytest.fixture
def people(tmp_path):
    def written(content, name="people.csv"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return f"{tmp_path}/*"

    return written


def terminal(runs):
    return all(run.status != "RUNNING" for role in runs.values() for run in role.values())


@pytest.mark.parametrize(
    ("content", "stage", "message"),
    [
        (None, "ingest", r"no file matches /.*/\*; check the path and the pattern"),
        ("", "ingest", r"people.csv is empty \(0 bytes\)"),
        ("name,age\n", "check", r"people/people.csv has no rows"),
        (b'a,"b\n1,2\xff\n', "check", r"people/people.csv cannot be read as csv"),
        ("name,age\nAda,-1\n", "check", r"1 of 2 expectations not met: expect_column_values_to_be_between on age"),
    ],
)
def test_bad_data_fails_its_stage_and_says_why(airflow, mlflow, people, tmp_path, content, stage, message):
    data = f"{tmp_path}/*" if content is None else people(content)
    run_id, state, tasks = airflow.run("strict", data=data)
    assert (state, tasks[stage]) == ("failed", "failed")
    assert re.search(message, airflow.api.log("strict", run_id, stage))
    failure = airflow.api.xcom("strict", run_id, stage, "failure")
    assert re.search(message, failure["message"])
    runs = mlflow.runs("strict", run_id)
    assert terminal(runs)
    assert runs["pipeline"][run_id].status == "FAILED"
    assert runs["stage"][stage].status == "FAILED"
    assert re.search(message, runs["stage"][stage].tags["airflow_ml.failure"])
    if stage == "ingest":
        assert airflow.api.tasks("strict", run_id)[stage]["try_number"] == 1
        assert not list(airflow.store.glob(f"strict/*{run_id[-15:-6]}*/**/_commits"))


def test_a_suite_that_great_expectations_does_not_know_fails_whatever_the_policy(airflow, mlflow, people):
    run_id, state, tasks = airflow.run("odd_suite", data=people(GOOD))
    assert (state, tasks["check"]) == ("failed", "failed")
    assert "suite suites/odd.json is not one that Great Expectations" in airflow.api.log("odd_suite", run_id, "check")
    assert terminal(mlflow.runs("odd_suite", run_id))


def test_a_failed_check_takes_the_other_branch_and_registers_nothing(airflow, mlflow, people):
    run_id, state, tasks = airflow.run("checks", data=people("name,age\nAda,-1\nGrace,45\n"))
    assert state == "success"
    assert tasks == {
        "ingest": "success",
        "check": "success",
        "quarantine": "success",
        "train": "skipped",
        "evaluate": "skipped",
        "register": "skipped",
        "finish": "success",
    }
    summary = airflow.api.xcom("checks", run_id, "check", "validation")
    assert (summary["success"], summary["failed"][0]["column"]) == (False, "age")
    assert "people.csv" in airflow.api.log("checks", run_id, "quarantine")
    assert mlflow.versions("ages") == []

    run_id, state, tasks = airflow.run("checks", data=people(GOOD))
    assert (state, tasks["quarantine"], tasks["register"]) == ("success", "skipped", "success")
    assert mlflow.aliases("ages") == {"champion": "1"}


def test_a_killed_stage_is_tried_again_as_one_logical_run(airflow, mlflow, tmp_path):
    marker = tmp_path / "marker"
    airflow.api.wait_for_dag("killed")
    run_id = airflow.api.trigger("killed", conf={"marker": str(marker)})
    wait_until(marker.exists, what="the stage to be in the middle of training", seconds=90)
    os.kill(int(marker.read_text()), signal.SIGKILL)
    assert airflow.api.wait_for_run("killed", run_id) == "success"
    assert airflow.api.tasks("killed", run_id)["train"]["try_number"] == 2
    assert "the stage's process was killed by SIGKILL" in airflow.api.log("killed", run_id, "train")

    runs = mlflow.runs("killed", run_id)
    assert (list(runs["pipeline"]), list(runs["stage"]), list(runs["attempt"])) == (
        [run_id],
        ["train"],
        ["train attempt 1"],
    )
    assert runs["attempt"]["train attempt 1"].status == "FAILED"
    assert {run.status for role in ("pipeline", "stage") for run in runs[role].values()} == {"FINISHED"}
    train = runs["stage"]["train"]
    assert mlflow.history(train.id, "loss") == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert train.metrics["loss_at_end"] == 1 / 3
    assert train.params["depth"] == "3"
    model = airflow.api.xcom("killed", run_id, "train", "model")
    assert "/2.1/" in model["uri"]
    assert Path(model["uri"].removeprefix("file://")).read_text() == "whole"
    first = next(airflow.store.glob("killed/*/train/-1/1.1"))
    assert not (first / "_commits").exists()


def test_an_mlflow_that_refuses_fails_before_any_work(airflow):
    run_id, state, tasks = airflow.run("denied")
    assert (state, tasks["work"]) == ("failed", "failed")
    log = airflow.api.log("denied", run_id, "work")
    assert "401 Unauthorized; fix login and password, or the token, of connection 'mlflow_denied'" in log
    assert not Path("/tmp/never").exists()
    assert not list(airflow.store.glob("denied/*/work/-1/1.1"))


def test_an_mlflow_that_does_not_answer_fails_before_any_work(airflow):
    run_id, state, tasks = airflow.run("unreachable")
    assert (state, tasks["work"]) == ("failed", "failed")
    assert "does not answer: ConnectError" in airflow.api.log("unreachable", run_id, "work")
    assert not list(airflow.store.glob("unreachable/*/work/-1/1.1"))


def test_a_broken_file_shows_its_mistakes_in_the_ui(airflow):
    run_id, state, _ = airflow.run("broken")
    assert state == "failed"
    assert "broken.yaml:3:27" in airflow.api.get("/dags/broken/details")["doc_md"]
    assert "unknown key 'comand'" in airflow.api.log("broken", run_id, "mend_the_file")
