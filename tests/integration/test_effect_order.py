"""The effects of a stage come in one order: gate, tracking, outputs."""

import json
import logging
import uuid
from types import SimpleNamespace

import pytest

from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.attempts.run_context import RunContext
from airflow_ml_provider.errors import GateFailedError
from airflow_ml_provider.execution.stage_execution import StageExecution
from airflow_ml_provider.kinds.evaluate import EvaluateStage
from airflow_ml_provider.local.connections import EnvironmentConnections
from airflow_ml_provider.local.world import LoggedEvents, NoRuns, NotedState
from airflow_ml_provider.runners.local_runner import LocalRunner
from airflow_ml_provider.settings import MlSettings

MEASURES = """echo '{"metrics": {"rmse": 3}}' > "$AIRFLOW_ML_RESULT" """


@pytest.fixture
def evaluated(tmp_path, mlflow_server, mlflow):
    """Run an evaluation with a gate; returns each output with the state of its MLflow run when it was pushed."""

    def run(gate):
        pipeline, pushed = f"p{uuid.uuid4().hex[:8]}", {}

        def push(key, value):
            try:
                stages = mlflow.runs(pipeline, "r")["stage"]
            except Exception:  # noqa: BLE001 - there is no experiment yet
                stages = {}
            pushed[key] = (value, stages["judge"].status if "judge" in stages else None)

        stage = EvaluateStage(
            task_id="judge",
            base_folder=str(tmp_path),
            command=["sh", "-c", MEASURES],
            gate={"rmse": gate},
        )
        log = logging.getLogger("stage")
        connection = json.dumps({"conn_type": "mlflow", "host": mlflow_server.uri})
        context = RunContext(
            identity=StageIdentity(f"file://{tmp_path}/store", pipeline, "r", "judge", -1, 1),
            settings=MlSettings.of(lambda option: None, home=tmp_path),
            log=log,
            state=NotedState({}, keep=lambda notes: None),
            outputs=SimpleNamespace(push=push),
            connections=EnvironmentConnections({"AIRFLOW_CONN_MLFLOW_DEFAULT": connection}),
            events=LoggedEvents(log),
            runs=NoRuns(),
            flow=SimpleNamespace(downstream=[], teardowns=[], take=None),
        )
        try:
            StageExecution(stage, context, LocalRunner(log)).run()
        except GateFailedError as error:
            return pushed, error
        return pushed, None

    return run


def test_outputs_are_pushed_when_the_gate_was_judged_and_the_mlflow_run_is_closed(evaluated):
    pushed, failure = evaluated("< 5")

    assert failure is None
    assert pushed["metrics"] == ({"rmse": 3.0}, "FINISHED")
    assert pushed["gate"][0]["passed"] is True
    assert pushed["gate"][1] == "FINISHED"
    assert pushed["mlflow_run_url"][1] == "RUNNING"


def test_a_gate_that_fails_the_task_is_handed_on_all_the_same(evaluated):
    pushed, failure = evaluated("< 1")

    assert "the model does not pass its gate" in str(failure)
    assert pushed["metrics"] == ({"rmse": 3.0}, "FAILED")
    assert pushed["gate"] == ({"passed": False, "reasons": pushed["gate"][0]["reasons"]}, "FAILED")
