"""Evidently's tests and page: https://docs.evidentlyai.com/metrics/preset_data_drift."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.runtime.stages.monitor.drift import Drift

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def evidently_takes(reference: Series[Any], current: Series[Any]) -> bool:
    """Whether Evidently compares a column by a distance or a probability: numbers, and text that repeats itself.

    It takes text of which most values are different for texts to read, and raises at a column without any value.
    """
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    both = (reference.dropna(), current.dropna())
    if any(column.empty for column in both):
        return False
    if all(is_numeric_dtype(column) and not is_bool_dtype(column) for column in both):
        return True
    text = all(column.map(lambda value: isinstance(value, str)).all() for column in both)
    return text and all(column.nunique() <= len(column) / 2 for column in both)


def compare_with_evidently(reference: DataFrame, current: DataFrame, *, page: Path) -> list[Drift]:
    """Compare all columns of two tables that have the same ones, and write Evidently's page.

    Raises:
        ImportError: Evidently is not there.
    """
    from evidently import Report
    from evidently.presets import DataDriftPreset

    snapshot = Report([DataDriftPreset()]).run(current, reference)
    snapshot.save_html(str(page))
    return [_drift(metric) for metric in snapshot.dict()["metrics"] if "column" in metric.get("config", {})]


def _drift(metric: dict[str, Any]) -> Drift:
    config = metric["config"]
    score, limit, method = float(metric["value"]), float(config["threshold"]), str(config["method"])
    # Tests that give a probability find a change where it is small.
    drifted = score < limit if "p_value" in method else score >= limit
    return Drift(str(config["column"]), "", method, score, limit, drifted)
