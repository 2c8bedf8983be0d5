"""A pipeline's DAG does not depend on the order of sets and mappings in a process."""

import json
import os
import subprocess
import sys
from pathlib import Path

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


EVERYTHING = """\
pipeline: everything
tags: [c, b, a, d]
defaults: {retries: 1, pod: {labels: {x: y, a: b}}}
environments:
  prod: {pod: {env: {B: b, A: a}, secrets: {s3: env, keys: {k: V}}, node_selector: {pool: ml, disk: ssd}}}
stages:
  one: {kind: container, command: [x], outputs: {b: file, a: dataset, c: model}, no_retry: [user_code, bad_data]}
  two: {kind: container, command: [x], inputs: {y: one.b, x: one.a}, params: {q: 1, p: {s: 2, r: 3}}, needs: [one]}
  three: {kind: container, command: [x], needs: [two, one], resources: {gpu: 1, cpu: 2, memory: 4Gi}}
"""


def test_the_same_text_gives_the_same_serialized_dag_under_any_hash_seed(tmp_path, monkeypatch):
    first = serialized(LOADER, "1")
    assert "flight_delays" in json.loads(first)
    assert first == serialized(LOADER, "2")
    (tmp_path / "load.py").write_text(LOADER.read_text())
    (tmp_path / "everything.yaml").write_text(EVERYTHING)
    monkeypatch.setenv("AIRFLOW__ML__ENVIRONMENT", "prod")
    assert len({serialized(tmp_path / "load.py", seed) for seed in "1234"}) == 1
