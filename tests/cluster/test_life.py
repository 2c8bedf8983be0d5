"""A stage's pod from its beginning to its end, in sync and in deferrable mode."""

import re

import pytest

from airflow_ml_provider.artifacts.store import ArtifactStore

MODES = ("sync", "deferrable")


@pytest.mark.parametrize("mode", MODES)
def test_a_stage_runs_logs_every_line_once_and_leaves_no_pod(airflow, kubernetes, mlflow, mode):
    run_id, state, _ = airflow.run(f"quick_{mode}", seconds=120)
    log = airflow.api.log(f"quick_{mode}", run_id, "work")
    assert state == "success", log
    assert [int(number) for number in re.findall(r"line (\d+)$", log, re.MULTILINE)] == list(range(300))
    ref = airflow.api.xcom(f"quick_{mode}", run_id, "work", "model")
    assert ref["uri"].startswith("s3://")
    assert airflow.api.xcom(f"quick_{mode}", run_id, "work", "metrics") == {"loss": 0.5}
    runs = mlflow.runs(f"quick_{mode}", run_id)
    assert {run.status for named in runs.values() for run in named.values()} == {"FINISHED"}
    kubernetes.wait_for_no_pods(run=run_id)


@pytest.mark.parametrize("mode", MODES)
def test_a_store_on_a_shared_volume(airflow, kubernetes, shared_volume, mode):
    dag = f"shared_volume_{mode}"
    run_id, state, _ = airflow.run(dag, seconds=120)
    assert state == "success", airflow.api.log(dag, run_id, "work")
    ref = airflow.api.xcom(dag, run_id, "work", "model")
    assert ref["uri"].startswith(f"file://{shared_volume}/store/")
    assert ArtifactStore().find(ref["uri"]).digest == ref["digest"]
    kubernetes.wait_for_no_pods(run=run_id)


def test_a_store_on_the_pods_own_disk_is_refused(airflow, kubernetes):
    run_id, state, _ = airflow.run("unshared_file_sync", seconds=60)
    log = airflow.api.log("unshared_file_sync", run_id, "work")
    assert state == "failed", log
    assert "lies on the pod's own disk and is gone with it: use a store such as s3://bucket/prefix, or mount" in log
    assert not kubernetes.pods(run=run_id)
