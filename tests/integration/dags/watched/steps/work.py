"""Rows to learn from, to predict and to watch."""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression


def rows(
    data: Path, *, files: int = 3, count: int = 400, shift: float = 0.0, odd: int = 0, labels: bool = True
) -> None:
    """Write files of rows; odd ones hold a number that is none."""
    data.mkdir()
    source = np.random.default_rng(7)
    for number in range(files):
        x = source.normal(shift, 1.0, count)
        table = pd.DataFrame(
            {"id": range(number * count, (number + 1) * count), "x": x, "color": source.choice(["red", "blue"], count)}
        )

        table["y"] = 2 * x + source.normal(0, 0.1, count)
        table = table.astype({"x": object})
        for index in range(odd):
            table.loc[index, "x"] = "lots"
        table.to_csv(data / f"{number}.csv", index=False)


def train(train: Path, model: Path) -> dict[str, float]:
    """Fit a line."""
    table = pd.concat([pd.read_csv(file) for file in sorted(train.glob("*.csv"))])
    fitted = LinearRegression().fit(table[["x"]], table["y"])
    mlflow.sklearn.save_model(
        fitted,
        model,
        input_example=table[["x"]].head(3),
        pip_requirements=["scikit-learn", "pandas"],
        serialization_format="cloudpickle",
    )
    return {"slope": float(fitted.coef_[0])}
