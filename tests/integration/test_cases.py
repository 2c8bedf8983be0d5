"""Small pipelines that once gave wrong answers or did not end, each run on this machine to its end."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).parents[1] / "cases"
AIRFLOW_ML = str(Path(sys.executable).parent / "airflow-ml")


@pytest.fixture
def case(tmp_path, mlflow_server):
    """Copy a case into a folder of its pipeline's name; returns what runs it and returns what became of its stages."""

    def copied(name, pipeline, *, tracked=False):
        folder = shutil.copytree(CASES / name, tmp_path / pipeline, ignore=shutil.ignore_patterns("__pycache__"))
        connection = json.dumps({"conn_type": "mlflow", "host": mlflow_server.uri})
        said = ""
        variables = {"AIRFLOW_CONN_MLFLOW_DEFAULT": connection} if tracked else {}

        def run(*arguments, file="pipeline.yaml"):
            nonlocal said
            done = subprocess.run(
                [AIRFLOW_ML, "run", file, "--json", *arguments],
                cwd=folder,
                env={**os.environ, **variables},
                capture_output=True,
                text=True,
                timeout=240,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            said = done.stderr
            log = max((folder / ".airflow-ml" / "logs").glob("*.log"), key=lambda path: path.stat().st_mtime)
            return json.loads(done.stdout)["stages"], log.read_text(errors="replace")

        run.console = lambda: said
        run.folder = folder
        return run

    return copied


def test_the_documented_pruner_ends(case):
    run = case("pruner", "median")
    stages, log = run(file="median.yaml")
    metrics = stages["tune"]["metrics"]
    assert metrics["trials_complete"] + metrics["trials_pruned"] == 10
    assert metrics["trials_pruned"] > 0
    assert metrics["loss"] < 50
    told = [line for line in run.console().splitlines() if "] trial " in line]
    assert [line.split()[0] for line in told] == [f"[{number}/10]" for number in range(1, 11)]
    assert "; best loss " in told[-1]
    assert "Metrics: loss " in log
    assert re.search(r"Output report: report, [\d,]+ bytes, sha256:\w+, in file://", log)


@pytest.mark.parametrize("syntax", ["glob", "regexp"])
def test_a_run_in_airflows_own_folder_leaves_no_file_that_airflow_loads(case, syntax):
    from airflow._shared.module_loading.file_discovery import find_path_from_directory

    run = case("param_override", "param_drops_tuned")
    run("--stage", "ingest", "--airflow")
    run("--stage", "ingest")
    assert (run.folder / ".airflow-ml" / "dags" / "load.py").is_file()
    found = find_path_from_directory(str(run.folder), ".airflowignore", syntax)
    assert not [path for path in found if ".airflow-ml" in path and Path(path).suffix in (".py", ".zip")]


def test_a_trial_with_an_endless_message_is_a_failed_trial(case):
    stages, log = case("loud_trial", "loud")(file="loud.yaml")
    metrics = stages["tune"]["metrics"]
    assert metrics["trials_complete"] + metrics["trials_failed"] == 4
    assert "characters)" in log


def test_a_param_of_a_run_leaves_what_was_tuned(case):
    run = case("param_override", "param_drops_tuned")
    stages, _ = run()
    tuned = stages["train"]["metrics"]["rate_used"]
    assert tuned >= 0.5
    again, _ = run("--from", "train", "--param", "train.steps=5")
    assert again["train"]["metrics"] == {"rate_used": tuned, "steps_used": 5.0}


def test_the_same_rows_give_the_same_predictions_and_no_drift(case):
    stages, log = case("typed_rows", "typed", tracked=True)(file="typed.yaml")
    first, other = [json.JSONDecoder().raw_decode(line[line.index("{") :])[0] for line in shown(log, "FROM")]
    assert first == other
    assert (first["customer"], first["start_time"], first["bin"]) == ("00001", "01:30", "1_1")
    assert first["prediction"] == pytest.approx(1.0)
    assert stages["watch"]["metrics"]["drifted_columns"] == 0
    assert stages["watch"]["metrics"]["unseen_share"] == 0


def test_a_clustering_passes_in_its_own_space(case):
    stages, _ = case("penguins", "penguins", tracked=True)()
    assert stages["evaluate"]["metrics"]["silhouette"] == pytest.approx(0.446, abs=0.001)
    assert stages["register"]["state"] == "success"


def shown(log, word):
    return [line for line in log.splitlines() if f"{word} " in line and "{" in line]
