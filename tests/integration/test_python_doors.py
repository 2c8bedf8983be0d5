"""Operators in a hand-written DAG, and the same pipeline without a scheduler."""

import os
import subprocess
import sys

import pytest


def test_a_handwritten_dag_maps_templates_and_closes_its_own_runs(airflow, mlflow):
    run_id, state, _ = airflow.run("handwritten")
    assert state == "success"
    runs = mlflow.runs("handwritten", run_id)
    assert set(runs["stage"]) == {"make", "train[0]", "train[1]", "evaluate"}
    assert {run.status for role in runs.values() for run in role.values()} == {"FINISHED"}
    assert {runs["stage"][f"train[{index}]"].metrics["product"] for index in (0, 1)} == {6.0, 9.0}
    assert airflow.api.xcom("handwritten", run_id, "evaluate", "gate") == {
        "passed": False,
        "reasons": ["number is 3, not > 100"],
    }
    log = airflow.api.log("handwritten", run_id, "make")
    assert "The local runner has no use for image" in log


def test_decorated_functions_are_stages_and_map(airflow, mlflow):
    run_id, state, _ = airflow.run("decorated")
    assert state == "success"
    runs = mlflow.runs("decorated", run_id)["stage"]
    assert {name: run.metrics.get("product") for name, run in runs.items() if name[0] in "tm"} == {
        "train": 8.0,
        "mapped[0]": 12.0,
        "mapped[1]": 16.0,
        "make": None,
    }
    assert runs["train"].params["factor"] == "2"
    assert airflow.api.xcom("decorated", run_id, "evaluate", "gate")["passed"] is True


def test_an_exit_code_to_skip_on_skips(airflow, mlflow):
    run_id, state, tasks = airflow.run("skipping")
    assert (state, tasks["nothing_new"]) == ("success", "skipped")
    runs = mlflow.runs("skipping", run_id)
    assert {run.status for role in runs.values() for run in role.values()} == {"FINISHED"}
    assert "airflow_ml.failure" not in runs["stage"]["nothing_new"].tags


def test_autolog_in_user_code_logs_to_the_stages_run(airflow, mlflow):
    run_id, state, _ = airflow.run("autologged")
    assert state == "success"
    runs = mlflow.runs("autologged", run_id)
    assert (len(runs["pipeline"]), list(runs["stage"])) == (1, ["train"])
    train = runs["stage"]["train"]
    assert (train.status, train.params["alpha"]) == ("FINISHED", "0.5")
    assert train.metrics["slope"] == 0.8
    assert "training_root_mean_squared_error" in train.metrics


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory, airflow_environment, dags_folder):
    """An Airflow without any server: a migrated database and the environment to use it."""
    home = tmp_path_factory.mktemp("home")
    environment = {
        **os.environ,
        **airflow_environment,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder / "cases"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=environment, check=True, capture_output=True)
    return environment


def dags_test(dag_id, environment):
    command = [sys.executable, "-m", "airflow", "dags", "test", dag_id]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_dags_test_runs_a_pipeline_in_one_process(airflow_home):
    code, output = dags_test("handwritten", airflow_home)
    assert code == 0, output[-3000:]
    assert "Gate: number is 3, not > 100" in output


def test_work_goes_on_untracked_with_a_loud_warning_when_reported_so(airflow_home):
    code, output = dags_test("unreachable", {**airflow_home, "AIRFLOW__ML__ON_TRACKING_UNAVAILABLE": "continue"})
    assert code == 0, output[-3000:]
    assert "THIS STAGE RUNS UNTRACKED" in output
