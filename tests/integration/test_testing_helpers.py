"""What users test their pipelines with, as the documentation shows it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "test-your-pipelines.md").read_text()
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A DAGs folder as init writes it, with the test of the page."""
    dags = tmp_path_factory.mktemp("user") / "dags"
    subprocess.run([str(BIN / "airflow-ml"), "init", str(dags)], check=True, capture_output=True)
    (dags / "test_flights.py").write_text(re.search(r"```python pytest\n(.*?)```", PAGE, re.DOTALL)[1])
    return dags


def run_pytest(folder, *arguments):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, check=False)


def test_the_page_test_passes_and_a_change_of_the_dag_is_seen(folder):
    first = run_pytest(folder)
    assert first.returncode == 0, first.stdout
    snapshot = folder / "dag_snapshots" / "flights.json"
    assert str(folder) not in snapshot.read_text()
    pipeline = folder / "flights" / "pipeline.yaml"
    pipeline.write_text(pipeline.read_text().replace("retries: 1", "retries: 3"))
    changed = run_pytest(folder, "-k", "reviewed")
    assert changed.returncode == 1
    assert '+          "retries": 3' in changed.stdout
    assert run_pytest(folder, "-k", "reviewed", "--update-dag-snapshots").returncode == 0
    assert run_pytest(folder, "-k", "reviewed").returncode == 0


FAILING = """
import pytest
from airflow_ml_provider.testing.pipelines import PipelineRunError

def test_a_failed_stage(run_pipeline):
    with pytest.raises(PipelineRunError, match="stage 'train': .*ValueError"):
        run_pipeline("flights/pipeline.yaml", {"stages": {"train": {"run": "steps.broken:train"}}})

def test_a_mistake(run_pipeline):
    with pytest.raises(PipelineRunError, match="no argument 'dept'; it has"):
        run_pipeline("flights/pipeline.yaml", {"stages": {"train": {"params": {"dept": 1}}}})
"""


def test_a_run_that_fails_says_why(folder):
    (folder / "flights" / "steps" / "broken.py").write_text("def train(train, model):\n    raise ValueError('no')\n")
    (folder / "test_failing.py").write_text(FAILING)
    done = run_pytest(folder, "test_failing.py")
    assert done.returncode == 0, done.stdout


def test_the_commands_of_the_workflow_run(folder):
    workflow = yaml.safe_load(re.search(r"```yaml github\n(.*?)```", PAGE, re.DOTALL)[1])
    commands = [step["run"].split() for step in workflow["jobs"]["pipelines"]["steps"] if "run" in step]
    assert [command[0] for command in commands] == ["pip", "airflow-ml", "airflow-ml", "pytest"]
    for command in commands[1:3]:
        run = [str(BIN / command[0]), *command[1:]]
        done = subprocess.run(run, cwd=folder.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
