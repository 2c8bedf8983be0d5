"""A model is unpickled by processes of stages and servers, and by no other that touches it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PIPELINE = """\
pipeline: pickled
code: steps
params: {seen: SEEN}
stages:
  train:
    kind: train
    run: steps.work:train
    params: {seen: "{{ params.seen }}"}
    outputs: {model: model, rows: dataset}
  evaluate:
    kind: evaluate
    run: steps.work:evaluate
    inputs: {model: train.model}
    gate: {loss: "< 1"}
  predict: {kind: batch_predict, data: train.rows, model: register.model}
  register: {kind: register, model: train.model, name: pickled, needs: [evaluate]}
  approve: {kind: approve, model: register.model}
  serve: {kind: serve, model: register.model, hold: 1s, port: 0, needs: [approve]}
"""
STEPS = '''
import os
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import infer_signature


def train(model: Path, rows: Path, seen: str) -> dict[str, float]:
    """Save a model that notes who unpickles it."""

    class Line(mlflow.pyfunc.PythonModel):
        def __init__(self):
            self.seen = seen

        def __setstate__(self, state):
            self.__dict__.update(state)
            with open(self.seen, "a") as file:
                print(Path("/proc/self/cmdline").read_text().replace("\\0", " "), file=file)

        def predict(self, context, model_input, params=None):
            return [2.0 * x for x in model_input["x"]]

    frame = pd.DataFrame({"x": [1.0, 2.0]})
    signature = infer_signature(frame, [1.0, 2.0])
    mlflow.pyfunc.save_model(
        model, python_model=Line(), signature=signature, input_example=frame, pip_requirements=["mlflow"]
    )
    frame.to_csv(rows, index=False)
    return {}


def evaluate(model: Path) -> dict[str, float]:
    """Say that all is well."""
    return {"loss": 0.5}
'''


@pytest.fixture
def airflow_ml(tmp_path, mlflow_server):
    """Run the command line in a folder of its own."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps({"conn_type": "mlflow", "host": mlflow_server.uri}),
    }

    def run(*arguments):
        command = [Path(sys.executable).parent / "airflow-ml", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_only_stages_and_servers_unpickle_a_model(airflow_ml, tmp_path):
    seen = tmp_path / "seen"
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "__init__.py").touch()
    (tmp_path / "steps" / "work.py").write_text(STEPS)
    (tmp_path / "pickled.yaml").write_text(PIPELINE.replace("SEEN", str(seen)))
    try:
        airflow_ml("run", "pickled.yaml", "--yes")
        look_at(seen, airflow_ml)
    finally:
        airflow_ml("endpoint", "stop", "pickled")


def look_at(seen, airflow_ml):
    loaded = seen.read_text().splitlines()
    assert len(loaded) >= 3, "batch_predict, the example of serve, the server"
    assert {line for line in loaded if "-m airflow_ml_provider.runtime" not in line} == set()
    for command in (
        ["plan", "pickled.yaml"],
        ["model", "list"],
        ["model", "history", "pickled"],
        ["model", "promote", "pickled", "1"],
        ["endpoint", "list"],
    ):
        airflow_ml(*command)
    assert seen.read_text().splitlines() == loaded
