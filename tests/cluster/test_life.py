"""A stage's pod from its beginning to its end, in sync and in deferrable mode."""

import re

import pytest

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
