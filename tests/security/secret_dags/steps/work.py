"""A model that is served, and code whose failure quotes the login of its MLflow."""

import os
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import infer_signature


def train(model: Path, *, slope: float, manner: str, seen: str) -> dict[str, float]:
    """Save a model that answers ``slope * x``, and log to MLflow as anybody does."""
    rows = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    mlflow.set_tag("seen", seen)
    mlflow.pyfunc.save_model(
        model,
        python_model=str(Path(__file__).parent / "line.py"),
        model_config={"slope": slope, "manner": manner},
        signature=infer_signature(rows, [1.0, 2.0, 3.0]),
        input_example=rows,
        pip_requirements=["mlflow", "pandas"],
    )
    return {"slope": slope}


def measured(model: Path) -> dict[str, float]:
    """Return a metric for the gate."""
    return {"slope": 2.0}


def quotes() -> None:
    """Fail as a client does that has its address from the environment."""
    token, secret = os.environ["MLFLOW_TRACKING_TOKEN"], os.environ["AWS_SECRET_ACCESS_KEY"]
    raise ConnectionError(f"401 for Bearer {token}; store http://key:{secret}@s3.example/bucket")
