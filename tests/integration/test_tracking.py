"""MLflow runs of stages against a live server: created once, closed always, showing the winner."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.objects import create_object
from airflow_ml_provider.exceptions import MlflowAuthorizationError, MlflowError, MlflowUnavailableError
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.operators.identity import StageIdentity
from airflow_ml_provider.operators.tracking import StageTracking
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.testing.server_process import free_port


@pytest.fixture
def connect(monkeypatch):
    """Define an MLflow connection and return its hook."""

    def connected(uri, **fields):
        name = f"c{uuid.uuid4().hex}"
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "mlflow", "host": uri, **fields}))
        return MlflowHook(name)

    return connected


@pytest.fixture
def identity(tmp_path):
    pipeline = f"p{uuid.uuid4().hex[:8]}"
    return StageIdentity(
        store=f"file://{tmp_path}", pipeline=pipeline, dag_run="run", stage="train", map_index=-1, try_number=1
    )


def tracking(hook, identity):
    return StageTracking(hook=hook, identity=identity, experiment=identity.pipeline, kind="train")


def close(stage, runs, metrics=None, status="FINISHED", hyperparameters=None, tags=None):
    result = StageResult(status="success", attempt="1.1", metrics=metrics or {})
    stage.close(runs, status=status, result=result, hyperparameters=hyperparameters or {}, tags=tags or {})


def test_parallel_stages_share_one_parent(connect, mlflow, identity):
    def opened(number):
        stage = replace(identity, stage=f"stage{number}")
        return tracking(connect(mlflow.uri), stage).open(attempt_run=None)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(opened, range(8)))
    assert len({runs.parent for runs in found}) == 1
    assert len({runs.child for runs in found}) == 8
    runs = mlflow.runs(identity.pipeline, "run")
    assert (len(runs["pipeline"]), len(runs["stage"])) == (1, 8)


@pytest.mark.parametrize("created", [True, False])
def test_a_stage_that_died_between_claim_and_creation_is_taken_over(connect, mlflow, identity, created):
    hook = connect(mlflow.uri)
    create_object(join(identity.stage_uri, "_mlflow.claim"), b"train")
    orphan = None
    if created:
        stage = tracking(hook, identity)
        parent = replace(identity, stage="other")
        parent_id = tracking(hook, parent).open(attempt_run=None).parent
        tags = stage._tags("stage", stage._key("stage"), parent_id)
        experiment = hook.experiment_id(identity.pipeline)
        orphan = hook.create_run(experiment_id=experiment, name="train", tags=tags)
    runs = tracking(hook, identity).open(attempt_run=None)
    assert runs.child == (orphan or runs.child)
    assert list(mlflow.runs(identity.pipeline, "run")["stage"]).count("train") == 1


def test_the_childs_values_are_the_winners_whatever_was_logged_before(connect, mlflow, identity):
    hook = connect(mlflow.uri)
    first = tracking(hook, identity)
    runs = first.open(attempt_run=None)
    hook.log_batch(runs.attempt, metrics={"rmse": 9.0, "loss": 0.5}, steps={"rmse": 50}, params={"depth": "4"})
    close(first, runs, status="FAILED", tags={"airflow_ml.failure": "killed"})

    second = tracking(hook, replace(identity, try_number=2))
    again = second.open(attempt_run=None)
    assert again.child == runs.child != again.attempt
    hook.log_batch(again.attempt, metrics={"loss": 0.5}, params={"depth": "5"})
    close(second, again, metrics={"rmse": 7.0}, hyperparameters={"rate": 0.1})

    child = mlflow.runs(identity.pipeline, "run")["stage"]["train"]
    assert (child.status, child.metrics, child.params) == (
        "FINISHED",
        {"rmse": 7.0, "loss": 0.5},
        {"depth": "4", "rate": "0.1"},
    )
    assert child.tags["airflow_ml.changed_param.depth"] == "5"
    assert "airflow_ml.failure" not in child.tags
    assert len(mlflow.history(runs.child, "loss")) == 1


def test_a_try_that_died_leaves_no_open_run(connect, mlflow, identity):
    hook = connect(mlflow.uri)
    for number in (1, 2, 3):
        runs = tracking(hook, replace(identity, try_number=number)).open(attempt_run=None)
    close(tracking(hook, replace(identity, try_number=3)), runs)
    found = mlflow.runs(identity.pipeline, "run")
    assert {name: run.status for name, run in found["attempt"].items()} == {
        "train try 2": "KILLED",
        "train try 3": "FINISHED",
    }


def test_a_result_that_is_taken_keeps_the_run_it_was_logged_to(connect, mlflow, identity):
    hook = connect(mlflow.uri)
    tracking(hook, identity).open(attempt_run=None)
    second = tracking(hook, replace(identity, try_number=2)).open(attempt_run=None)
    hook.log_batch(second.attempt, metrics={"loss": 0.25})
    third = tracking(hook, replace(identity, try_number=3))
    close(third, third.open(attempt_run=second.attempt))
    found = mlflow.runs(identity.pipeline, "run")
    assert list(found["attempt"]) == ["train try 2"]
    assert found["stage"]["train"].metrics == {"loss": 0.25}
    assert {run.status for role in ("stage", "attempt") for run in found[role].values()} == {"FINISHED"}


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


def test_what_mlflow_refuses_leaves_no_run_open(connect, mlflow, identity):
    stage = tracking(connect(mlflow.uri), identity)
    runs = stage.open(attempt_run=None)
    with pytest.raises(MlflowError, match="MLflow refused runs/log-batch with 400"):
        close(stage, runs, metrics={"a//b": 1.0})
    assert mlflow.runs(identity.pipeline, "run")["stage"]["train"].status == "FINISHED"


def test_errors_name_the_server_the_connection_and_what_to_do(connect, mlflow, denying_server):
    with pytest.raises(MlflowAuthorizationError, match="refused .* with 401 Unauthorized; mend login and password"):
        connect(denying_server).experiment_id("x")
    with pytest.raises(MlflowUnavailableError, match="does not answer: ConnectError"):
        connect(f"http://127.0.0.1:{free_port()}").experiment_id("x")
    with pytest.raises(MlflowError, match="has no host"):
        connect("").experiment_id("x")
    with pytest.raises(MlflowError, match="has credentials in its host"):
        connect("http://user:secret@mlflow").experiment_id("x")
    with pytest.raises(MlflowError, match="timeout is 'soon'"):
        connect(mlflow.uri, extra={"timeout": "soon"}).experiment_id("x")
    with pytest.raises(MlflowError, match=r"ca_bundle '/nope.pem' cannot be read"):
        connect(mlflow.uri, extra={"ca_bundle": "/nope.pem"}).experiment_id("x")
    ok, message = connect(mlflow.uri, extra={"timeout": None, "tls_verify": None}).test_connection()
    assert (ok, message) == (True, f"MLflow answers at {mlflow.uri}")


def test_credentials_reach_a_client_by_its_environment_only(connect):
    hook = connect("https://mlflow.example.com", login="ann", password="pw", extra={"tls_verify": "false"})
    assert hook.uri == "https://mlflow.example.com"
    assert hook.client_environment() == {
        "MLFLOW_TRACKING_USERNAME": "ann",
        "MLFLOW_TRACKING_PASSWORD": "pw",
        "MLFLOW_TRACKING_INSECURE_TLS": "true",
    }
    assert connect("mlflow", port=5000).uri == "http://mlflow:5000"
