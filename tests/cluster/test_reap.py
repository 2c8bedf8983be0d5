"""What was left behind is found, told, and removed; what is in use or unknown stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

AIRFLOW_ML = Path(sys.executable).with_name("airflow-ml")


@pytest.fixture
def left_behind(airflow, cluster, kubernetes, mlflow):
    """A run that is over, whose pod and MLflow run are not."""
    dag = "quick_sync"
    run_id, state, _ = airflow.run(dag, seconds=120)
    assert state == "success"
    mine = {
        "airflow-ml/dag": dag,
        "airflow-ml/dag-run": run_id,
        "airflow-ml/task": "work",
        "airflow-ml/map-index": "-1",
    }
    names = kubernetes.sleeping_pods(
        cluster.image, {"left": mine, "anothers": {**mine, "airflow-ml/dag-run": "manual__of_another_airflow"}}
    )
    run = mlflow.runs(dag, run_id)["stage"]["work"].id
    mlflow.call("POST", "runs/update", json={"run_id": run, "status": "RUNNING"})
    yield names, run, lambda: mlflow.runs(dag, run_id)["stage"]["work"].status
    kubernetes.delete_pods(names.values())


@pytest.fixture(scope="module")
def stored_connections(airflow):
    """The connections once more, in Airflow's database alone."""
    for name in ("kubernetes", "mlflow"):
        content = json.loads(airflow.server.environment[f"AIRFLOW_CONN_{name.upper()}_DEFAULT"])
        if "extra" in content:
            content["extra"] = json.dumps(content["extra"])
        airflow.api.post("/connections", {"connection_id": f"stored_{name}", **content})


def reap(airflow, kubernetes, *options):
    connections = ("--connection", "stored_kubernetes", "--mlflow-connection", "stored_mlflow")
    return subprocess.run(
        [AIRFLOW_ML, "reap", "--namespace", kubernetes.namespace, "--older-than", "0", *connections, *options],
        env={**os.environ, **airflow.server.environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()


@pytest.mark.usefixtures("stored_connections")
def test_the_command_says_what_it_would_remove_then_removes_it(airflow, kubernetes, left_behind):
    names, run, status = left_behind
    pod = f"pod {kubernetes.namespace}/{names['left']}: task work of run"
    told = reap(airflow, kubernetes, "--dry-run")
    assert any(line.startswith(f"would remove {pod}") for line in told), told
    assert any(line.startswith(f"would remove MLflow run {run}: task work of run") for line in told), told
    assert not any(names["anothers"] in line for line in told)
    assert status() == "RUNNING"
    assert set(names.values()) <= {each.metadata.name for each in kubernetes.pods()}

    assert any(line.startswith(f"remove {pod}") for line in reap(airflow, kubernetes))
    kubernetes.wait_for_gone(names["left"])
    assert status() == "KILLED"
    assert names["anothers"] in {each.metadata.name for each in kubernetes.pods()}
    assert reap(airflow, kubernetes, "--dry-run") == ["nothing is left behind"]
    told = reap(airflow, kubernetes, "--dry-run", "--unknown-runs")
    assert any(names["anothers"] in line and "is not known to Airflow" in line for line in told), told


def test_the_operator_removes_it_too(airflow, kubernetes, left_behind):
    names, _, status = left_behind
    run_id, state, _ = airflow.run("reap", seconds=120)
    log = airflow.api.log("reap", run_id, "reap")
    assert state == "success", log
    assert names["left"] in log
    kubernetes.wait_for_gone(names["left"])
    assert status() == "KILLED"
    assert names["anothers"] in {each.metadata.name for each in kubernetes.pods()}


@pytest.mark.usefixtures("stored_connections")
@pytest.mark.parametrize("mode", ["sync", "deferrable"])
def test_a_run_that_times_out_takes_its_pod_with_it_and_reap_closes_what_is_open(airflow, kubernetes, mlflow, mode):
    dag = f"slow_run_{mode}"
    airflow.api.wait_for_dag(dag)
    run_id = airflow.api.trigger(dag)
    kubernetes.wait_for_pod(run=run_id, phase="Running", seconds=60)
    assert airflow.api.wait_for_run(dag, run_id, seconds=60) == "failed"
    kubernetes.wait_for_no_pods(run=run_id, seconds=60)
    reap(airflow, kubernetes)
    runs = mlflow.runs(dag, run_id)
    assert "RUNNING" not in {run.status for role in runs.values() for run in role.values()}
