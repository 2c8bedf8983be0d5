"""The MLflow runs of a stage that is tried more than once."""

import json
import uuid
from dataclasses import replace

import pytest

from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.tracking.stage_tracking import StageRuns, StageTracking


@pytest.fixture
def connect(monkeypatch):
    """Define an MLflow connection and return a client."""

    def connected(uri, **fields):
        name = f"c{uuid.uuid4().hex}"
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "mlflow", "host": uri, **fields}))
        return MlflowHook(name).get_conn()

    return connected


@pytest.fixture
def identity(tmp_path):
    pipeline = f"p{uuid.uuid4().hex[:8]}"
    return StageIdentity(
        store=f"file://{tmp_path}", pipeline=pipeline, dag_run="run", stage="train", map_index=-1, try_number=1
    )


def tracking(hook, identity):
    return StageTracking(client=hook, identity=identity, experiment=identity.pipeline, kind="train")


def close(stage, runs, metrics=None, status="FINISHED", hyperparameters=None, tags=None):
    result = StageResult(status="success", attempt="1.1", metrics=metrics or {})
    stage.close(runs, status=status, result=result, hyperparameters=hyperparameters or {}, tags=tags or {})


def test_a_study_goes_on_in_its_run(connect, mlflow, identity):
    hook = connect(mlflow.uri)

    def study(number):
        return StageTracking(
            client=hook,
            identity=replace(identity, try_number=number),
            experiment=identity.pipeline,
            kind="tune",
            run_per_attempt=False,
        )

    first = study(1).open(attempt_run=None)
    again = study(2).open(attempt_run=None)
    assert study(2).another(again) == again
    assert again.child == first.child


def test_a_try_that_died_leaves_no_open_run(connect, mlflow, identity):
    hook = connect(mlflow.uri)
    for number in (1, 2, 3):
        runs = tracking(hook, replace(identity, try_number=number)).open(attempt_run=None)
    close(tracking(hook, replace(identity, try_number=3)), runs)
    found = mlflow.runs(identity.pipeline, "run")
    assert {name: run.status for name, run in found["attempt"].items()} == {
        "train attempt 1": "KILLED",
        "train attempt 2": "KILLED",
    }
    assert found["stage"]["train"].status == "FINISHED"


def test_a_result_that_is_taken_keeps_the_run_it_was_logged_to(connect, mlflow, identity):
    hook = connect(mlflow.uri)
    tracking(hook, identity).open(attempt_run=None)
    second = tracking(hook, replace(identity, try_number=2)).open(attempt_run=None)
    hook.log_batch(second.child, metrics={"loss": 0.25})
    third = tracking(hook, replace(identity, try_number=3))
    close(third, third.open(attempt_run=second.child))
    found = mlflow.runs(identity.pipeline, "run")
    assert list(found["attempt"]) == ["train attempt 1"]
    assert (found["stage"]["train"].id, found["stage"]["train"].metrics) == (second.child, {"loss": 0.25})
    assert found["stage"]["train"].status == "FINISHED"


def test_an_attempt_that_an_earlier_version_began_becomes_the_stages_run(connect, mlflow, identity):
    """It logged to a run of its own below the stage's."""
    hook = connect(mlflow.uri)
    first = tracking(hook, identity).open(attempt_run=None)
    hook.log_batch(first.child, metrics={"loss": 0.5})
    tags = {"airflow_ml.role": "attempt", "airflow_ml.dag_run": "run", "mlflow.parentRunId": first.child}
    own = hook.create_run(experiment_id=first.experiment_id, name="train try 2", tags=tags)
    noted = {"experiment_id": first.experiment_id, "parent": first.parent, "child": first.child, "attempt": own}
    runs = StageRuns.from_plain(noted)
    close(tracking(hook, replace(identity, try_number=2)), runs, metrics={"rmse": 2.0})
    found = mlflow.runs(identity.pipeline, "run")
    assert found["stage"]["train"].id == own
    assert found["stage"]["train"].metrics == {"rmse": 2.0, "loss": 0.5}
    assert found["attempt"]["train attempt 1"].id == first.child


def test_a_hand_written_dags_parent_follows_its_children(connect, mlflow, identity):
    hook = connect(mlflow.uri)
    train, other = tracking(hook, identity), tracking(hook, replace(identity, stage="other"))
    first, second = train.open(attempt_run=None), other.open(attempt_run=None)
    close(train, first, status="FAILED")
    train.close_parent(first)
    assert mlflow.runs(identity.pipeline, "run")["pipeline"]["run"].status == "RUNNING"
    close(other, second)
    other.close_parent(second)
    assert mlflow.runs(identity.pipeline, "run")["pipeline"]["run"].status == "FAILED"
