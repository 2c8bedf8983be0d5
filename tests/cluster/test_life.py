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


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("case", "tries", "says"),
    [
        ("broken", 2, r"ValueError: the learning rate is negative \[user code, exit code 1\]; mend the code"),
        ("greedy", 2, r"more memory than it may \(limit 96Mi, request 96Mi\) \[out of memory, exit code 137\]"),
        ("no_image", 2, r"image does not exist or may not be pulled"),
        ("no_room", 2, r"no node had room for the pod for \d+ s: 0/1 nodes are available: 1 Insufficient cpu"),
        ("late", 1, r"timeout|Timeout"),
    ],
)
def test_a_failure_says_what_happened_and_leaves_nothing(airflow, kubernetes, mlflow, mode, case, tries, says):
    dag = f"{case}_{mode}"
    run_id, state, _ = airflow.run(dag, seconds=180)
    log = airflow.api.log(dag, run_id, "work", try_number=tries)
    assert state == "failed", log
    assert re.search(says, log), log
    runs = mlflow.runs(dag, run_id)
    assert {run.status for run in runs["stage"].values()} <= {"FAILED", "KILLED"}
    assert {run.status for run in runs["pipeline"].values()} == {"FAILED"}
    kubernetes.wait_for_no_pods(run=run_id)
