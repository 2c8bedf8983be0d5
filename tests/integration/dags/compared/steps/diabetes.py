"""Progression of diabetes in a year (Efron et al., 2004), the data that scikit-learn brings."""

from pathlib import Path

import mlflow
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge


def split(known: Path, test: Path, *, without: str = "") -> dict[str, float]:
    data, target = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    table = data.drop(columns=[without] if without else []).assign(progression=target)
    table.iloc[::2].to_parquet(known, index=False)
    table.iloc[1::2].to_parquet(test, index=False)
    return {"rows": len(table)}


def train(known: Path, model: Path, *, alpha: float) -> None:
    table = pd.read_parquet(known)
    features = table.drop(columns="progression")
    fitted = Ridge(alpha=alpha).fit(features, table["progression"])
    mlflow.sklearn.save_model(fitted, model, input_example=features.head(2), serialization_format="cloudpickle")
