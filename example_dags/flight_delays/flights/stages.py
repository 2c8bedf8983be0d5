"""Arrival delay of a flight, predicted at the moment it leaves the gate.

What is known then: the timetable, the airline, the route and how late the flight leaves. What is not: the time
in the air and the arrival, so neither is a feature. The model learns the minutes gained or lost on the way; it
is trained on the first three weeks of each month and tested on the days after them: no day, and so no day's
weather, is in both.
"""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = ["dep_delay", "distance", "weekday", "dep_minute", "scheduled_minutes"]
TARGET = "arr_delay"


def features(flights: Path, train: Path, test: Path, *, test_from_day: int = 22) -> dict[str, float]:
    """Turn raw flights into features and split them by day."""
    raw = pd.concat([pd.read_csv(file) for file in sorted(flights.glob("**/*.csv"))], ignore_index=True)
    flown = raw.dropna(subset=["dep_delay", TARGET])
    leaves, arrives = minute_of_day(flown["sched_dep_time"]), minute_of_day(flown["sched_arr_time"])
    table = flown[[*CATEGORIES, "dep_delay", "distance", TARGET]].assign(
        weekday=pd.to_datetime(flown[["year", "month", "day"]]).dt.weekday,
        dep_minute=leaves,
        scheduled_minutes=(arrives - leaves) % (24 * 60),
    )
    later = flown["day"] >= test_from_day
    table[~later].to_parquet(train, index=False)
    table[later].to_parquet(test, index=False)
    return {
        "rows": len(raw),
        "not_flown": len(raw) - len(flown),
        "train_rows": (~later).sum(),
        "test_rows": later.sum(),
    }


def train(
    train: Path,
    model: Path,
    *,
    max_depth: int = 6,
    learning_rate: float = 0.1,
    max_iter: int = 200,
    seed: int = 0,
) -> dict[str, float]:
    """Train gradient-boosted trees on the minutes gained or lost on the way."""
    table = pd.read_parquet(train)
    estimator = new_estimator(max_depth=max_depth, learning_rate=learning_rate, max_iter=max_iter, seed=seed)
    x = known_at_departure(table)
    estimator.fit(x, table[TARGET] - table["dep_delay"])
    for step, loss in enumerate(-estimator.named_steps["trees"].train_score_[::10]):
        mlflow.log_metric("train_loss", loss, step=step * 10)
    mlflow.sklearn.save_model(
        estimator,
        model,
        input_example=x.head(3),
        pip_requirements=["scikit-learn", "pandas"],
        serialization_format="cloudpickle",  # the same bytes for the same model, unlike skops
    )
    return {"train_rmse": root_mean_squared_error(table[TARGET], predict(estimator, table))}


def holdout(
    train: Path, model: Path, *, max_depth: int = 6, learning_rate: float = 0.1, max_iter: int = 200, seed: int = 0
) -> dict[str, float]:
    """Try params: train on four fifths, measure on the rest; what is tried leaves no model."""
    table = pd.read_parquet(train)
    apart = np.random.default_rng(seed).random(len(table)) < 0.2
    estimator = new_estimator(max_depth=max_depth, learning_rate=learning_rate, max_iter=max_iter, seed=seed)
    fitted = table[~apart]
    estimator.fit(known_at_departure(fitted), fitted[TARGET] - fitted["dep_delay"])
    model.write_text("none")
    return {"holdout_rmse": root_mean_squared_error(table[apart][TARGET], predict(estimator, table[apart]))}


def evaluate(model: Path, train: Path, test: Path, report: Path) -> dict[str, float]:
    """Compare the model with a naive forecast: the delay at departure, less what flights make up on average."""
    table, known = pd.read_parquet(test), pd.read_parquet(train)
    predicted = predict(mlflow.sklearn.load_model(str(model)), table)
    actual = table[TARGET]
    naive = table["dep_delay"] + (known[TARGET] - known["dep_delay"]).mean()
    metrics = {
        "rmse": root_mean_squared_error(actual, predicted),
        "mae": mean_absolute_error(actual, predicted),
        "baseline_rmse": root_mean_squared_error(actual, naive),
        "baseline_mae": mean_absolute_error(actual, naive),
    }
    by_carrier = (actual - predicted).abs().groupby(table["carrier"]).agg(["mean", "size"])
    lines = [f"# {len(table)} flights of the test days", "", "| metric | minutes |", "| --- | --- |"]
    lines += [f"| {name} | {value:.2f} |" for name, value in metrics.items()]
    lines += ["", "| carrier | mean absolute error | flights |", "| --- | --- | --- |"]
    lines += [f"| {name} | {row['mean']:.2f} | {row['size']:.0f} |" for name, row in by_carrier.iterrows()]
    report.write_text("\n".join(lines) + "\n")
    return metrics


def predict(estimator: Pipeline, table: pd.DataFrame) -> pd.Series:
    """Return the arrival delay in minutes: the delay at departure and what the way adds or takes."""
    return table["dep_delay"] + estimator.predict(known_at_departure(table))


def new_estimator(*, max_depth: int, learning_rate: float, max_iter: int, seed: int) -> Pipeline:
    """Return trees that take categories as they are."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float64)
    trees = HistGradientBoostingRegressor(
        max_depth=max_depth, learning_rate=learning_rate, max_iter=max_iter, random_state=seed
    )
    columns = ColumnTransformer([("categories", encoder, CATEGORIES)], remainder="passthrough")
    return Pipeline([("columns", columns), ("trees", trees)])


def known_at_departure(table: pd.DataFrame) -> pd.DataFrame:
    """Return the model's columns."""
    return table[[*CATEGORIES, *NUMBERS]].astype(dict.fromkeys(NUMBERS, float))


def minute_of_day(clock: pd.Series) -> pd.Series:
    """Turn the data's 1545 for a quarter to four into minutes since midnight."""
    return clock // 100 * 60 + clock % 100
