"""A model in MLflow's format whose content says all that it is."""

from pathlib import Path

MLMODEL = "flavors: {python_function: {loader_module: mlflow.pyfunc.model}}\nalpha: %s\n"


def train(model: Path, *, alpha: float) -> None:
    model.mkdir()
    (model / "MLmodel").write_text(MLMODEL % alpha)
