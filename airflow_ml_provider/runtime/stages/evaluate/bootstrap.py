"""How sure a difference between two models is: the paired bootstrap (Efron and Tibshirani, 1993, chapter 13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.runtime.errors import ContractError
from airflow_ml_provider.runtime.stages.task_metrics import GROUP, classes_of, task_metrics

if TYPE_CHECKING:
    from pandas import DataFrame

RESAMPLES = 500
_SEED = 0


def differences(mine: DataFrame, theirs: DataFrame, *, options: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return, by compared metric, the interval that holds the difference with the wanted confidence.

    Both models are measured on the same resampled rows, so that what makes a row hard for both does not count.

    Args:
        mine: The challenger's predictions.
        theirs: The champion's, row by row the same.
        options: The stage's.

    Raises:
        ContractError: The rows are not the same.
    """
    import numpy as np

    if not _same_rows(mine, theirs, options["target"]):
        raise ContractError(
            f"confidence: challenger and champion were measured on other rows ({len(mine):,} and {len(theirs):,}): the "
            f"code must write the same rows in the same order for both"
        )
    random = np.random.default_rng(_SEED)
    found: dict[str, list[float]] = {}
    units = _units(mine, options)
    classes = classes_of(mine[options["target"]]) if options["task"] == "classification" else None
    for _ in range(RESAMPLES):
        drawn = [units[unit] for unit in random.integers(0, len(units), len(units))]
        own, other = (
            task_metrics(_resampled(table, drawn, options), options, classes=classes) for table in (mine, theirs)
        )
        for metric in options["compared"]:
            if metric in own and metric in other:
                found.setdefault(metric, []).append(own[metric] - other[metric])
    tail = 100 * (1 - options["confidence"])
    # Each end by itself has the wanted confidence: only one of them decides.
    return {
        metric: (float(np.percentile(values, tail)), float(np.percentile(values, 100 - tail)))
        for metric, values in found.items()
    }


def _units(table: DataFrame, options: Mapping[str, Any]) -> list[Any]:
    """Return the positions of what is drawn together: a row, or all that is ranked together."""
    import numpy as np

    if options["task"] == "ranking":
        return [np.asarray(rows) for rows in table.reset_index(drop=True).groupby(GROUP).indices.values()]
    return list(np.arange(len(table)).reshape(-1, 1))


def _resampled(table: DataFrame, drawn: list[Any], options: Mapping[str, Any]) -> DataFrame:
    import numpy as np

    found = table.iloc[np.concatenate(drawn)]
    if options["task"] != "ranking":
        return found
    # A group that was drawn twice is two groups.
    return found.assign(**{GROUP: np.repeat(np.arange(len(drawn)), [len(rows) for rows in drawn])})


def _same_rows(mine: DataFrame, theirs: DataFrame, target: str) -> bool:
    if len(mine) != len(theirs):
        return False
    return target not in mine or bool((mine[target].to_numpy() == theirs[target].to_numpy()).all())
