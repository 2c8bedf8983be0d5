"""MLflow runs of stages against a live server: created once, closed always, showing the winner."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.objects import create_object
from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.errors import MlflowAuthorizationError, MlflowError, MlflowUnavailableError
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.testing.server_process import free_port
from airflow_ml_provider.tracking import metric_curves
from airflow_ml_provider.tracking.stage_tracking import StageTracking


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
    hook.log_batch(runs.child, metrics={"rmse": 9.0, "loss": 0.5}, steps={"rmse": 50}, params={"depth": "4"})
    close(first, runs, status="FAILED", tags={"airflow_ml.failure": "killed"})

    second = tracking(hook, replace(identity, try_number=2))
    again = second.open(attempt_run=None)
    assert (again.child != runs.child, again.earlier) == (True, (runs.child,))
    hook.log_batch(again.child, metrics={"loss": 0.5}, params={"depth": "5"})
    close(second, again, metrics={"rmse": 7.0}, hyperparameters={"rate": 0.1, "depth": 6})

    found = mlflow.runs(identity.pipeline, "run")
    child = found["stage"]["train"]
    assert (child.id, child.status, child.metrics, child.params) == (
        again.child,
        "FINISHED",
        {"rmse": 7.0, "loss": 0.5},
        {"depth": "5", "rate": "0.1"},
    )
    assert child.tags["airflow_ml.changed_param.depth"] == "6"
    assert "airflow_ml.failure" not in child.tags
    assert mlflow.history(again.child, "loss") == [(0, 0.5)]
    before = found["attempt"]["train attempt 1"]
    assert (before.id, before.status, before.params) == (runs.child, "FAILED", {"depth": "4"})
    assert before.tags["mlflow.parentRunId"] == again.child


def test_a_curve_is_whole_and_has_each_step_once_from_the_last_attempt_that_reached_it(connect, mlflow, identity):
    """Three attempts: killed at step 5, evicted at step 8 in the next try, and one that goes on from step 7."""
    hook = connect(mlflow.uri)

    def log(run_id, attempt, steps):
        for step in steps:
            hook.log_batch(run_id, metrics={"loss": attempt * 100.0 + step}, steps={"loss": step})

    first = tracking(hook, identity)
    runs = first.open(attempt_run=None)
    log(runs.child, 1, range(6))
    hook.log_batch(runs.child, metrics={"warmup": 0.5, "auc": 0.1})
    close(first, runs, status="FAILED", tags={"airflow_ml.failure": "killed"})
    second = tracking(hook, replace(identity, try_number=2))
    runs = second.open(attempt_run=None)
    log(runs.child, 2, range(3, 9))
    runs = second.another(runs)
    second.put_below(runs, failure="evicted")
    log(runs.child, 3, range(7, 10))
    hook.log_batch(runs.child, metrics={"auc": 0.3, "diverged": float("nan")}, steps={"auc": 0})
    close(second, runs)

    found = mlflow.runs(identity.pipeline, "run")
    child = found["stage"]["train"]
    whole = [100.0, 101.0, 102.0, 203.0, 204.0, 205.0, 206.0, 307.0, 308.0, 309.0]
    assert mlflow.history(child.id, "loss") == list(enumerate(whole))
    assert (child.metrics["loss"], child.metrics["warmup"], child.metrics["auc"]) == (309.0, 0.5, 0.3)
    assert mlflow.history(child.id, "auc") == [(0, 0.3)]
    assert {name: (run.status, run.tags.get("airflow_ml.failure")) for name, run in found["attempt"].items()} == {
        "train attempt 1": ("FAILED", "killed"),
        "train attempt 2": ("FAILED", "evicted"),
    }
    assert mlflow.history(found["attempt"]["train attempt 2"].id, "loss")[0] == (3, 203.0)

    # Delivered once more, because Airflow did not hear of it: nothing comes twice.
    third = tracking(hook, replace(identity, try_number=3))
    close(third, third.open(attempt_run=child.id))
    assert mlflow.history(child.id, "loss") == list(enumerate(whole))


def test_a_long_curve_is_copied_in_pieces(connect, mlflow, identity):
    hook = connect(mlflow.uri)
    first = tracking(hook, identity)
    runs = first.open(attempt_run=None)
    points = [
        {"key": "loss", "value": "NaN" if step == 7 else step, "timestamp": 5, "step": step} for step in range(2500)
    ]
    for start in range(0, 2500, 1000):
        hook.call("POST", "runs/log-batch", json={"run_id": runs.child, "metrics": points[start : start + 1000]})
    close(first, runs, status="FAILED")
    second = tracking(hook, replace(identity, try_number=2))
    runs = second.open(attempt_run=None)
    hook.log_batch(runs.child, metrics={"loss": 1.0}, steps={"loss": 2499})
    close(second, runs)
    history = mlflow.history(runs.child, "loss")
    assert [step for step, _ in history] == list(range(2500))
    assert (history[7][1], history[-1]) == ("NaN", (2499, 1.0))


def test_what_is_cut_short_while_it_is_copied_is_gone_on_with(connect, mlflow, identity, monkeypatch):
    hook = connect(mlflow.uri)
    first = tracking(hook, identity)
    runs = first.open(attempt_run=None)
    monkeypatch.setattr(metric_curves, "_BATCH", 4)
    points = [
        {"key": key, "value": step, "timestamp": 5, "step": step} for step in range(20) for key in ("loss", "warm")
    ]
    hook.call("POST", "runs/log-batch", json={"run_id": runs.child, "metrics": points})
    close(first, runs, status="FAILED")
    second = tracking(hook, replace(identity, try_number=2))
    runs = second.open(attempt_run=None)
    hook.log_batch(runs.child, metrics={"loss": 20.0}, steps={"loss": 20})
    call, written = hook.call, []

    def away_after_two(method, path, **options):
        if path == "runs/log-batch" and "metrics" in options["json"] and len(options["json"]["metrics"]) == 4:
            written.append(path)
            if len(written) == 3:
                raise MlflowUnavailableError("away")
        return call(method, path, **options)

    monkeypatch.setattr(hook, "call", away_after_two)
    close(second, runs)
    assert 0 < len(mlflow.history(runs.child, "loss")) < 21
    close(second, runs)
    assert [step for step, _ in mlflow.history(runs.child, "loss")] == list(range(21))
    assert [step for step, _ in mlflow.history(runs.child, "warm")] == list(range(20))


def test_a_task_that_is_cleared_after_it_finished_takes_nothing_of_its_old_result(connect, mlflow, identity):
    hook = connect(mlflow.uri)
    first = tracking(hook, identity)
    runs = first.open(attempt_run=None)
    hook.log_batch(runs.child, metrics={"old_name": 1.0, "loss": 5.0}, steps={"loss": 3})
    close(first, runs, metrics={"rmse": 9.0})
    second = tracking(hook, replace(identity, try_number=2))
    again = second.open(attempt_run=None)
    hook.log_batch(again.child, metrics={"loss": 4.0}, steps={"loss": 10})
    close(second, again, metrics={"rmse": 8.0})
    found = mlflow.runs(identity.pipeline, "run")
    assert found["stage"]["train"].metrics == {"loss": 4.0, "rmse": 8.0}
    assert mlflow.history(again.child, "loss") == [(10, 4.0)]
    assert found["attempt"]["train attempt 1"].metrics == {"old_name": 1.0, "loss": 5.0, "rmse": 9.0}


def test_a_dag_run_that_is_made_again_under_its_old_id_has_runs_of_its_own(connect, mlflow, identity):
    """``airflow dags test`` for one date twice; and the experiment has another name meanwhile."""
    hook = connect(mlflow.uri)
    for number in (1, 2):
        stage = tracking(hook, replace(identity, try_number=number))
        runs = stage.open(attempt_run=None)
        close(stage, runs, status="FAILED" if number == 1 else "FINISHED")
    other = StageTracking(client=hook, identity=identity, experiment=f"{identity.pipeline}-new", kind="train")
    again = other.open(attempt_run=None)
    found = mlflow.runs(identity.pipeline, "run")
    assert found["stage"]["train"].id == again.child
    assert found["stage"]["train"].tags["mlflow.parentRunId"] == again.parent
    assert list(found["attempt"]) == ["train attempt 2", "train attempt 1"]
    assert found["pipeline"]["run"].status == "RUNNING"


@pytest.mark.parametrize("closed", [True, False])
def test_runs_that_killed_code_left_open_are_closed(connect, mlflow, identity, closed):
    hook = connect(mlflow.uri)
    first = tracking(hook, identity).open(attempt_run=None)
    if closed:
        close(tracking(hook, identity), first, status="FAILED")
    tags = {"mlflow.parentRunId": first.child, "airflow_ml.role": "champion", "airflow_ml.dag_run": "run"}
    hook.create_run(experiment_id=first.experiment_id, name="fold 1", tags=tags)
    tracking(hook, replace(identity, try_number=2)).open(attempt_run=None)
    assert mlflow.runs(identity.pipeline, "run")["champion"]["fold 1"].status == "KILLED"


def test_an_earlier_attempt_that_somebody_deleted_costs_nothing(connect, mlflow, identity, caplog):
    hook = connect(mlflow.uri)
    first = tracking(hook, identity)
    close(first, first.open(attempt_run=None), status="FAILED")
    second = tracking(hook, replace(identity, try_number=2))
    runs = second.open(attempt_run=None)
    hook.delete_run(runs.earlier[0])
    close(second, runs, metrics={"rmse": 7.0})
    train = mlflow.runs(identity.pipeline, "run")["stage"]["train"]
    assert (train.status, train.metrics) == ("FINISHED", {"rmse": 7.0})
    assert "What earlier attempts logged is not shown as it should be" in caplog.text


def test_what_mlflow_refuses_leaves_no_run_open(connect, mlflow, identity):
    stage = tracking(connect(mlflow.uri), identity)
    runs = stage.open(attempt_run=None)
    with pytest.raises(MlflowError, match="MLflow refused runs/log-batch with 400"):
        close(stage, runs, metrics={"a//b": 1.0})
    assert mlflow.runs(identity.pipeline, "run")["stage"]["train"].status == "FINISHED"


def test_errors_name_the_server_the_connection_and_what_to_do(connect, mlflow, denying_server):
    with pytest.raises(MlflowAuthorizationError, match="refused .* with 401 Unauthorized; fix login and password"):
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
    ok, message = MlflowHook(
        connect(mlflow.uri, extra={"timeout": None, "tls_verify": None}).server.connection
    ).test_connection()
    assert (ok, message) == (True, f"MLflow answers at {mlflow.uri}")


def test_credentials_reach_a_client_by_its_environment_only(connect):
    hook = connect("https://mlflow.example.com", login="ann", password="pw", extra={"tls_verify": "false"})
    assert hook.uri == "https://mlflow.example.com"
    assert hook.server.client_environment() == {
        "MLFLOW_TRACKING_USERNAME": "ann",
        "MLFLOW_TRACKING_PASSWORD": "pw",
        "MLFLOW_TRACKING_INSECURE_TLS": "true",
    }
    assert connect("mlflow", port=5000).uri == "http://mlflow:5000"
