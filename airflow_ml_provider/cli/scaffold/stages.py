"""The code of the stages: plain Python. Inputs and outputs are paths, params keywords, what is returned are metrics."""

import csv
import json
from math import sqrt
from pathlib import Path
from statistics import fmean, linear_regression


def features(flights: Path, train: Path, test: Path, *, test_from_day: int = 22) -> dict[str, float]:
    """Keep the flights that arrived, and split them by day of the month."""
    rows = [row for file in sorted(flights.rglob("*.csv")) for row in csv.DictReader(file.read_text().splitlines())]
    flown = [row for row in rows if row["dep_delay"] and row["arr_delay"]]
    early: list[dict[str, float]] = []
    late: list[dict[str, float]] = []
    for row in flown:
        part = late if int(row["day"]) >= test_from_day else early
        part.append({"departure": float(row["dep_delay"]), "arrival": float(row["arr_delay"])})
    train.write_text(json.dumps(early))
    test.write_text(json.dumps(late))
    return {"flown": len(flown), "train_rows": len(early), "test_rows": len(late)}


def train(train: Path, model: Path, *, longest_delay: float = 600.0) -> dict[str, float]:
    """Fit the delay at arrival, in minutes, to the delay at departure."""
    rows = [row for row in json.loads(train.read_text()) if row["departure"] <= longest_delay]
    line = linear_regression([row["departure"] for row in rows], [row["arrival"] for row in rows])
    model.write_text(json.dumps({"slope": line.slope, "intercept": line.intercept}))
    return {"slope": line.slope, "intercept": line.intercept}


def evaluate(model: Path, test: Path) -> dict[str, float]:
    """Compare the model with the naive forecast that a flight arrives as late as it departed."""
    line, rows = json.loads(model.read_text()), json.loads(test.read_text())
    errors = [line["intercept"] + line["slope"] * row["departure"] - row["arrival"] for row in rows]
    naive = [row["departure"] - row["arrival"] for row in rows]
    return {"rmse": sqrt(fmean(e * e for e in errors)), "baseline_rmse": sqrt(fmean(e * e for e in naive))}
