"""The usual metrics of predictions, by the kind of task (https://scikit-learn.org/stable/modules/model_evaluation.html)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.runtime.errors import BadDataError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

PROBABILITY, GROUP = "probability", "group"
"""Further columns: the probability of the second class, and what is ranked together."""


def task_metrics(table: DataFrame, options: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a task; one that is not defined for these rows is left out.

    Args:
        table: Predictions, one row each.
        options: ``task``, and the columns ``target`` and ``prediction``.

    Raises:
        BadDataError: A column is missing, or holds no values.
    """
    prediction = _column(table, options["prediction"])
    target = (
        None
        if options["task"] == "clustering" and options["target"] not in table
        else _column(table, options["target"])
    )
    try:
        found = _TASKS[options["task"]](table, target, prediction, options)
    except (TypeError, ValueError) as error:
        raise BadDataError(
            f"columns {options['target']!r} and {options['prediction']!r} do not fit task {options['task']!r}: {error}"
        ) from error
    return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}


def _column(table: DataFrame, name: str) -> Series[Any]:
    if name not in table.columns:
        raise BadDataError(f"the predictions have no column {name!r}; they have {', '.join(map(str, table.columns))}")
    column = table[name]
    if column.isna().any():
        raise BadDataError(f"column {name!r} has {int(column.isna().sum()):,} of {len(column):,} values missing")
    return column


def _regression(table: DataFrame, target: Any, prediction: Any, options: Any) -> dict[str, float | None]:
    from sklearn import metrics

    return {
        "rmse": metrics.root_mean_squared_error(target, prediction),
        "mae": metrics.mean_absolute_error(target, prediction),
        "r2": metrics.r2_score(target, prediction) if len(target) > 1 else None,
    }


def _classification(table: DataFrame, target: Any, prediction: Any, options: Any) -> dict[str, float | None]:
    from sklearn import metrics

    classes = sorted(target.unique())
    # Of the classes that there are: one that was only predicted has nothing to be found.
    macro: dict[str, Any] = {"labels": classes, "average": "macro", "zero_division": 0.0}
    found: dict[str, float | None] = {
        "accuracy": metrics.accuracy_score(target, prediction),
        "balanced_accuracy": metrics.recall_score(target, prediction, **macro),
        "f1": metrics.f1_score(target, prediction, **macro),
    }
    if PROBABILITY in table.columns and len(classes) == 2:
        positive = target == classes[1]
        found["roc_auc"] = metrics.roc_auc_score(positive, table[PROBABILITY])
        found["log_loss"] = metrics.log_loss(positive, table[PROBABILITY])
    return found


def _clustering(table: DataFrame, target: Any, prediction: Any, options: Any) -> dict[str, float | None]:
    from sklearn import metrics

    found: dict[str, float | None] = {}
    if target is not None:
        found["adjusted_rand"] = metrics.adjusted_rand_score(target, prediction)
    features = table.drop(columns=[options["prediction"], options["target"]], errors="ignore").select_dtypes("number")
    if features.shape[1] and 1 < prediction.nunique() < len(prediction):
        sampled = min(len(features), 10_000)
        found["silhouette"] = metrics.silhouette_score(features, prediction, sample_size=sampled, random_state=0)
    return found


def _ranking(table: DataFrame, target: Any, prediction: Any, options: Any) -> dict[str, float | None]:
    from sklearn import metrics

    group = _column(table, GROUP)
    gains = [
        metrics.ndcg_score([rows[options["target"]]], [rows[options["prediction"]]])
        for _, rows in table.groupby(group)
        if len(rows) > 1
    ]
    return {"ndcg": sum(gains) / len(gains) if gains else None, "groups": float(group.nunique())}


_Task = Callable[[Any, Any, Any, Any], dict[str, "float | None"]]
_TASKS: Mapping[str, _Task] = {
    "regression": _regression,
    "classification": _classification,
    "clustering": _clustering,
    "ranking": _ranking,
}
