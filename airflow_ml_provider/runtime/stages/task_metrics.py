"""The usual metrics of predictions, by the kind of task (https://scikit-learn.org/stable/modules/model_evaluation.html)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.runtime.errors import BadDataError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

PROBABILITY, GROUP = "probability", "group"
"""Further columns: the probability of the second class, and what is ranked together."""
SPACE = "(space) "
"""What the columns begin with that are the coordinates in which clusters are compared."""
_SAMPLED = 10_000


def task_metrics(
    table: DataFrame, options: Mapping[str, Any], *, classes: Sequence[Any] | None = None
) -> dict[str, float]:
    """Return the metrics of a task; one that is not defined for these rows is left out.

    Args:
        table: Predictions, one row each.
        options: ``task``, and the columns ``target`` and ``prediction``.
        classes: All classes, where these rows are a part of others; by default those of the rows.

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
        if options["task"] == "classification":
            found = _classification(table, target, prediction, classes_of(target) if classes is None else classes)
        else:
            found = _TASKS[options["task"]](table, target, prediction, options)
    except (TypeError, ValueError) as error:
        raise BadDataError(
            f"columns {options['target']!r} and {options['prediction']!r} do not fit task {options['task']!r}: {error}"
        ) from error
    return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}


def classes_of(target: Any) -> list[Any]:
    """Return the classes of a column, in the order in which scikit-learn numbers them."""
    return sorted(target.unique())


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
        # Of a target that never changes there is nothing to explain.
        "r2": metrics.r2_score(target, prediction) if target.nunique() > 1 else None,
    }


def _classification(table: DataFrame, target: Any, prediction: Any, classes: Sequence[Any]) -> dict[str, float | None]:
    from sklearn import metrics

    # Of the classes that are here: one that was only predicted has nothing to be found.
    macro: dict[str, Any] = {"labels": classes_of(target), "average": "macro", "zero_division": 0.0}
    found: dict[str, float | None] = {
        "accuracy": metrics.accuracy_score(target, prediction),
        "balanced_accuracy": metrics.recall_score(target, prediction, **macro),
        "f1": metrics.f1_score(target, prediction, **macro),
    }
    if PROBABILITY in table.columns and len(classes) == 2:
        positive, probability = target == classes[1], _column(table, PROBABILITY)
        if positive.nunique() == 2:
            found["roc_auc"] = metrics.roc_auc_score(positive, probability)
        found["log_loss"] = metrics.log_loss(positive, probability, labels=[False, True])
        found["brier"] = metrics.brier_score_loss(positive, probability, labels=[False, True], pos_label=True)
    return found


def _clustering(table: DataFrame, target: Any, prediction: Any, options: Any) -> dict[str, float | None]:
    import numpy as np
    from sklearn import metrics

    found: dict[str, float | None] = {}
    if target is not None:
        found["adjusted_rand"] = metrics.adjusted_rand_score(target, prediction)
    space = [name for name in table.columns if str(name).startswith(SPACE)]
    if not space:
        others = table.drop(columns=[options["prediction"], options["target"]], errors="ignore")
        space = list(others.select_dtypes("number").columns)
    points = table[space].to_numpy(float)
    whole = np.isfinite(points).all(axis=1)
    labels = prediction[whole]
    if space and 1 < labels.nunique() < len(labels):
        sampled = min(len(labels), _SAMPLED)
        found["silhouette"] = metrics.silhouette_score(points[whole], labels, sample_size=sampled, random_state=0)
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
    "clustering": _clustering,
    "ranking": _ranking,
}
