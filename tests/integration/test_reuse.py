"""Results of earlier runs are taken, in a real Airflow; what the plan says before is what happens."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

AIRFLOW_ML = str(Path(sys.executable).parent / "airflow-ml")
STAGES = ("ingest", "features", "train", "evaluate")
DAG = "cached"


@pytest.fixture(scope="module")
def folder(dags_folder):
    return dags_folder / "cases" / DAG


@pytest.fixture
def forecast(airflow, folder):
    """What ``airflow-ml plan --airflow`` says, by stage."""

    def run():
        done = subprocess.run(
            [AIRFLOW_ML, "plan", "--airflow", "--json", str(folder)],
            env={**os.environ, **airflow.server.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return {stage["stage"]: stage["cache"] for stage in json.loads(done.stdout)["stages"]}

    return run


@pytest.fixture
def outcome(airflow, forecast):
    """Plan, run, see that both agree; returns the run and the verdict on each stage."""

    def run(**conf):
        planned = forecast()
        run_id, state, _ = airflow.run(DAG, **conf)
        assert state == "success", [airflow.api.log(DAG, run_id, stage) for stage in STAGES]
        verdicts = {stage: airflow.api.xcom(DAG, run_id, stage, "cache") for stage in STAGES}
        for stage, plan in planned.items():
            if not conf and plan["verdict"] != "unknown":
                happened = "reused" if verdicts[stage]["reused"] else "runs"
                assert (plan["verdict"], plan["reason"]) == (happened, verdicts[stage]["reason"]), stage
        return run_id, verdicts

    return run


def ran(verdicts):
    return {stage: verdict["reason"] for stage, verdict in verdicts.items() if not verdict["reused"]}


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def first(airflow, folder):
    run_id, state, _ = airflow.run(DAG)
    assert state == "success"
    return run_id


def xcoms(airflow, run_id):
    keys = {"ingest": "data", "features": "train", "train": "model", "evaluate": "gate"}
    return {
        stage: (airflow.api.xcom(DAG, run_id, stage, key), airflow.api.xcom(DAG, run_id, stage, "metrics"))
        for stage, key in keys.items()
    }


def test_nothing_changed_and_nothing_runs(airflow, mlflow, first, outcome):
    assert airflow.api.xcom(DAG, first, "train", "cache") == {
        "reused": False,
        "reason": "no result of it was kept yet",
    }
    run_id, verdicts = outcome()
    assert verdicts == {name: {"reused": True, "reason": f"run {first}"} for name in STAGES}
    assert xcoms(airflow, run_id) == xcoms(airflow, first)
    log = airflow.api.log(DAG, run_id, "train")
    assert f"Stage train reused from run {first}" in log
    assert "attempt 1" not in log
    before, now = (mlflow.runs(DAG, run)["stage"]["train"] for run in (first, run_id))
    assert (now.status, now.metrics, now.params) == ("FINISHED", before.metrics, before.params)
    assert now.tags["airflow_ml.cache"] == f"reused from run {first}"
    assert now.tags["airflow_ml.reused_from"] == before.id
    assert before.tags["airflow_ml.cache"] == "runs because no result of it was kept yet"
    assert airflow.api.xcom(DAG, run_id, "train", "mlflow_run_url").endswith(now.id)


def test_a_hyperparameter(first, folder, outcome):
    replace(folder / "pipeline.yaml", "slope: 2", "slope: 3")
    _, verdicts = outcome()
    assert ran(verdicts)["train"] == "params.slope 2 -> 3"
    assert ran(verdicts).keys() == {"train", "evaluate"}
    assert ran(verdicts)["evaluate"].startswith("inputs.model sha256:")
    replace(folder / "pipeline.yaml", "slope: 3", "slope: 2")
    _, back = outcome()
    assert ran(back) == {}


def test_an_ignored_param(first, folder, outcome):
    replace(folder / "pipeline.yaml", "threads: 1", "threads: 2")
    _, verdicts = outcome()
    assert ran(verdicts) == {}


def test_a_line_of_code(first, folder, outcome):
    replace(folder / "steps" / "stages.py", "model.write_text(str(slope))", "model.write_text(str(slope + 0))")
    _, verdicts = outcome()
    assert ran(verdicts).keys() == {"features", "train", "evaluate"}
    assert all(reason.startswith("code sha256:") for reason in ran(verdicts).values())


def test_a_default_of_the_code(airflow, mlflow, first, folder, outcome):
    assert mlflow.runs(DAG, first)["stage"]["train"].params["bias"] == "0"
    replace(folder / "steps" / "stages.py", "bias: int = 0", "bias: int = 1")
    run_id, verdicts = outcome()
    assert ran(verdicts)["train"].startswith("params.bias 0 -> 1 by default, code sha256:")
    assert mlflow.runs(DAG, run_id)["stage"]["train"].params["bias"] == "1"
    replace(folder / "steps" / "stages.py", "bias: int = 1", "bias: int = 0")


def test_an_input_file_and_the_early_cut_off(first, folder, outcome):
    (folder / "data" / "b.csv").write_text("3\n2\n")
    _, verdicts = outcome()
    # The features came out the same: what follows them is reused.
    assert ran(verdicts).keys() == {"ingest", "features"}
    assert ran(verdicts)["ingest"].startswith("options.files sha256:")
    (folder / "data" / "b.csv").write_text("4\n")
    _, verdicts = outcome()
    assert ran(verdicts).keys() == {"ingest", "features", "train", "evaluate"}


def test_a_run_that_is_to_reuse_nothing(airflow, first, outcome):
    (param,) = [value for name, value in airflow.api.get(f"/dags/{DAG}/details")["params"].items() if name == "reuse"]
    assert param["schema"]["title"] == "Reuse earlier results"
    _, verdicts = outcome(reuse=False)
    assert ran(verdicts) == dict.fromkeys(STAGES, "this run is to reuse nothing")


def test_a_cleared_task_runs_again(airflow, first, outcome):
    run_id, _ = outcome()
    airflow.api.clear(DAG, run_id, "train")
    assert airflow.api.wait_for_run(DAG, run_id) == "success"
    told = airflow.api.xcom(DAG, run_id, "train", "cache")
    assert told == {"reused": False, "reason": "this task was cleared after it had delivered the same result"}


def test_artifacts_that_are_gone_or_changed(airflow, first, outcome):
    run_id, _ = outcome()
    model = Path(airflow.api.xcom(DAG, run_id, "train", "model")["uri"].removeprefix("file://"))
    content = model.read_text()
    model.write_text(content + "!")
    _, verdicts = outcome()
    assert ran(verdicts).keys() == {"train"}
    assert "cannot be used: output 'model'" in ran(verdicts)["train"]
    assert "were committed" in ran(verdicts)["train"]


def test_two_runs_that_do_the_same_work_at_once(airflow, first, folder, outcome):
    replace(folder / "pipeline.yaml", "slope: 2", "slope: 7")
    runs = [airflow.api.trigger(DAG) for _ in range(2)]
    assert [airflow.api.wait_for_run(DAG, run_id) for run_id in runs] == ["success", "success"]
    assert xcoms(airflow, runs[0])["train"][0]["digest"] == xcoms(airflow, runs[1])["train"][0]["digest"]
    _, verdicts = outcome()
    assert ran(verdicts) == {}


def test_what_is_ignored_from_now_on_makes_nothing_run(first, folder, outcome):
    replace(folder / "pipeline.yaml", "ignore: [params.threads]", "ignore: [params.threads, code]")
    _, verdicts = outcome()
    assert ran(verdicts) == {}
    # And it is found by its own key the next time.
    _, verdicts = outcome()
    assert ran(verdicts) == {}
    replace(folder / "pipeline.yaml", "ignore: [params.threads, code]", "ignore: [params.threads]")
