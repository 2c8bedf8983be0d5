import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_ml_provider.dag_factory import build, load_dags
from airflow_ml_provider.spec import PipelineSpec

ROOT = Path(__file__).parents[2]
LOADER = ROOT / "example_dags" / "load_pipelines.py"

# Sorted keys, as Airflow itself writes a DAG before it hashes it.
SERIALIZE = """
import json, sys
from airflow.serialization.serialized_objects import DagSerialization
from airflow_ml_provider.dag_factory import load_dags
dags = load_dags(sys.argv[1])
print(json.dumps({name: DagSerialization.to_dict(dag) for name, dag in dags.items()}, sort_keys=True))
"""


def serialized(loader, seed):
    done = subprocess.run(
        [sys.executable, "-c", SERIALIZE, str(loader)],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def test_the_same_text_gives_the_same_serialized_dag_under_any_hash_seed():
    first = serialized(LOADER, "1")
    assert "flight_delays" in json.loads(first)
    assert first == serialized(LOADER, "2")


def test_references_become_dependencies():
    dag = load_dags(str(LOADER))["flight_delays"]
    assert {task.task_id: task.upstream_task_ids for task in dag.tasks if task.task_id != "finish"} == {
        "ingest": set(),
        "check": {"ingest"},
        "features": {"check"},
        "train": {"features"},
        "evaluate": {"train", "features"},
        "register": {"train", "evaluate"},
    }
    finish = dag.get_task("finish")
    assert finish.is_teardown
    assert len(finish.upstream_task_ids) == 6
    assert "kind: feature_engineering" in dag.doc_md


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "load.py").write_text(LOADER.read_text())
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(f"pipeline: {name}\nstages:\n  a: {{kind: container, command: [x]}}\n")
    return tmp_path


def test_a_broken_file_is_seen_and_hides_no_other(folder):
    before = load_dags(str(folder / "load.py"))
    assert sorted(before) == ["one", "two"]
    (folder / "two.yaml").write_text("pipeline: two\nstages:\n  a: {kind: contaner, command: [x]}\n")
    dags = load_dags(str(folder / "load.py"))
    assert dags["one"].tags == {"ml"}
    assert dags["two"].tags == {"ml", "broken"}
    assert "two.yaml:3:3: stages.a: unknown kind 'contaner'" in dags["two"].doc_md
    assert dags["two"].schedule is None


def test_a_worker_builds_only_the_dag_it_runs(folder, monkeypatch):
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "two")
    (folder / "one.yaml").write_text("never: read")
    assert list(load_dags(str(folder / "load.py"))) == ["two"]


def test_a_pipeline_in_python_is_the_same_dag(folder):
    spec = PipelineSpec.model_validate({"pipeline": "one", "stages": {"a": {"kind": "container", "command": ["x"]}}})
    from_yaml = load_dags(str(folder / "load.py"))["one"]
    from_python = build(spec, base_folder=folder)
    assert from_python.task_dict.keys() == from_yaml.task_dict.keys()
    assert from_python.get_task("a").command == from_yaml.get_task("a").command == ["x"]


def test_fields_reach_the_operator(tmp_path):
    stage = {
        "kind": "train",
        "run": "m:f",
        "retries": 2,
        "retry_delay": "5s",
        "timeout": "2h",
        "image": "ml/stage:1",
        "resources": {"cpu": 2, "memory": "4Gi", "gpu": 1},
        "params": {"depth": 4},
        "doc": "Trains.",
    }
    spec = PipelineSpec.model_validate(
        {
            "pipeline": "p",
            "store": "s3://ml/x",
            "schedule": "@daily",
            "tracking": {"connection": "c", "experiment": "e"},
            "stages": {"train": stage},
        }
    )
    dag = build(spec, base_folder=tmp_path)
    task = dag.get_task("train")
    assert (task.retries, task.retry_delay.total_seconds(), task.execution_timeout.total_seconds()) == (2, 5, 7200)
    assert (task.image, task.store, task.mlflow_conn_id, task.experiment) == ("ml/stage:1", "s3://ml/x", "c", "e")
    assert task.container_resources.requests == {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"}
    assert task.container_resources.limits == {"memory": "4Gi", "nvidia.com/gpu": "1"}
    assert task.hyperparameters == {"depth": 4}
    assert dag.start_date is not None
    assert not dag.catchup
