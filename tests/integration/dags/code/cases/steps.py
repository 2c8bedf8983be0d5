"""Small stages that need nothing but the standard library, MLflow where the case is about it."""

import os
import time
from pathlib import Path


def mean_age(people: Path, model: Path) -> dict[str, float]:
    import mlflow

    ages = [float(line.split(",")[1]) for file in people.glob("*.csv") for line in file.read_text().splitlines()[1:]]
    mean = sum(ages) / len(ages)

    class Mean(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return [self.mean] * len(model_input)

    constant = Mean()
    constant.mean = mean
    mlflow.pyfunc.save_model(model, python_model=constant, pip_requirements=["mlflow"])
    return {"mean": mean}


def measure(model: Path) -> dict[str, float]:
    return {"error": 0.5 if (model / "MLmodel").exists() else 9.0}


def multiply(number: Path, model: Path, *, by: int) -> dict[str, float]:
    model.write_text(str(int(number.read_text()) * by))
    return {"product": int(model.read_text())}


def read(number: Path) -> dict[str, float]:
    return {"number": int(number.read_text())}


def autologged(model: Path) -> dict[str, float]:
    import mlflow
    from sklearn.linear_model import Ridge

    mlflow.autolog(log_models=False)
    ridge = Ridge(alpha=0.5).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    model.write_text(str(ridge.coef_[0]))
    return {"slope": ridge.coef_[0]}


def slow_once(model: Path, *, marker: Path, depth: int = 3) -> dict[str, float]:
    import mlflow

    mlflow.log_param("depth", depth)
    for step in range(3):
        mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    if not marker.exists():
        (model.parent / "half").write_text("half")
        model.write_text("half")
        marker.with_suffix(".tmp").write_text(str(os.getpid()))
        marker.with_suffix(".tmp").rename(marker)
        time.sleep(600)
    model.write_text("whole")
    return {"loss_at_end": 1.0 / 3}
