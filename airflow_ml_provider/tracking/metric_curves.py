"""Metrics by step of a stage that was tried more than once: each step once, from the last attempt that reached it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from airflow_ml_provider.hooks.mlflow import MlflowHook

_BATCH = 1000
"""How many values MLflow takes at once."""


@dataclass(frozen=True)
class MetricPoint:
    """One value of a metric.

    Attributes:
        step: The step it was logged at.
        timestamp: When, in milliseconds since the epoch.
        value: A number; NaN and infinity are text, as in MLflow's answers.
    """

    step: int
    timestamp: int
    value: float | str


def missing_points(own: Sequence[MetricPoint], earlier: Sequence[Sequence[MetricPoint]]) -> list[MetricPoint]:
    """Return the points of a metric that an attempt lacks and earlier ones reached.

    Nothing is added behind the attempt's own last step: its last value stays the one that MLflow shows.

    Args:
        own: What the attempt logged.
        earlier: What each attempt before it logged, the newest first; of several points of a step the last counts.
    """
    end = max((point.step for point in own), default=None)
    reached = {point.step for point in own}
    missing: list[MetricPoint] = []
    for points in earlier:
        latest = {point.step: point for point in sorted(points, key=lambda point: point.timestamp)}
        found = [step for step in sorted(latest) if step not in reached and (end is None or step <= end)]
        missing += [latest[step] for step in found]
        reached.update(found)
    return missing


def complete_curves(hook: MlflowHook, *, into: str, earlier: Sequence[str]) -> None:
    """Copy to a run what it lacks of the metrics that earlier attempts logged; what is there is not copied again.

    Args:
        hook: The tracking server.
        into: The run of the last attempt.
        earlier: The runs of the attempts before it, the newest first.

    Raises:
        MlflowError: MLflow refused or did not answer.
    """
    if not earlier:
        return
    shown = {run_id: _metrics(hook, run_id) for run_id in (into, *earlier)}
    for key in sorted({key for run_id in earlier for key in shown[run_id]}):
        histories = {run_id: list(_history(hook, run_id, key)) if key in shown[run_id] else [] for run_id in shown}
        missing = missing_points(histories[into], [histories[run_id] for run_id in earlier])
        for start in range(0, len(missing), _BATCH):
            metrics = [{"key": key, **asdict(point)} for point in missing[start : start + _BATCH]]
            hook.call("POST", "runs/log-batch", json={"run_id": into, "metrics": metrics})


def _metrics(hook: MlflowHook, run_id: str) -> set[str]:
    return {str(entry["key"]) for entry in hook.get_run(run_id)["data"].get("metrics", [])}


def _history(hook: MlflowHook, run_id: str, key: str) -> Iterator[MetricPoint]:
    query: dict[str, Any] = {"run_id": run_id, "metric_key": key, "max_results": _BATCH}
    while True:
        answer = hook.call("GET", "metrics/get-history", params=query)
        for entry in answer.get("metrics", []):
            yield MetricPoint(int(entry.get("step", 0)), int(entry["timestamp"]), entry["value"])
        if not answer.get("next_page_token"):
            return
        query["page_token"] = answer["next_page_token"]
