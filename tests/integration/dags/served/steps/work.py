"""A line as a model, well-behaved or not."""

from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import infer_signature


def train(model: Path, *, slope: float, manner: str = "good") -> dict[str, float]:
    """Save a model that answers ``slope * x``."""
    rows = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    mlflow.pyfunc.save_model(
        model,
        python_model=str(Path(__file__).parent / "line.py"),
        model_config={"slope": slope, "manner": manner},
        signature=infer_signature(rows, [1.0, 2.0, 3.0]),
        input_example=rows,
        pip_requirements=["mlflow", "pandas"],
    )
    return {"slope": slope}


def fit(points: Path, model: Path) -> dict[str, float]:
    """Save a model with the slope of the points."""
    rows = pd.concat([pd.read_csv(path) for path in sorted(points.glob("*.csv"))])
    return train(model, slope=float((rows["y"] / rows["x"]).mean()))
