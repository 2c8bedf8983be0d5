"""Metrics by step of a stage that was tried more than once: each step once, from the last attempt that reached it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from airflow_ml_provider.mlflow_api.answers import metric_point
from airflow_ml_provider.mlflow_api.client import MlflowClient

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
    """Return the points of a metric before an attempt's own first step, the last of them first.

    An attempt that began anew has logged its first steps itself: nothing is added to it.

    Args:
        own: What the attempt logged.
        earlier: What each attempt before it logged, the newest first; of several points of a step the last counts.
    """
    begin = min((point.step for point in own), default=None)
    missing: dict[int, MetricPoint] = {}
    for points in earlier:
        latest = {point.step: point for point in sorted(points, key=lambda point: point.timestamp)}
        before = {step: point for step, point in latest.items() if begin is None or step < begin}
        missing = {**before, **missing}
    return [missing[step] for step in sorted(missing, reverse=True)]


def complete_curves(client: MlflowClient, *, into: str, earlier: Sequence[str]) -> None:
    """Copy to a run the steps before its own that earlier attempts logged; what is there is not copied again.

    Args:
        client: The tracking server.
        into: The run of the last attempt.
        earlier: The runs of the attempts before it, the newest first. One that finished had a result of its own: it and
            what was before it are not part of this one.

    Raises:
        MlflowError: MLflow refused or did not answer.
    """
    before: dict[str, set[str]] = {}
    for run_id in earlier:
        run = client.get_run(run_id)
        if run["info"]["status"] == "FINISHED":
            break
        before[run_id] = set(_last_steps(run))
    own = _last_steps(client.get_run(into)) if before else {}
    for key in sorted({key for keys in before.values() for key in keys}):
        points = list(metric_history(client, into, key)) if own.get(key) else []
        if own.get(key) == 0 or any(point.step == 0 for point in points):
            continue
        # From the last to the first: what is cut short is gone on with before the first one that is there.
        missing = missing_points(
            points, [list(metric_history(client, run_id, key)) for run_id in before if key in before[run_id]]
        )
        for start in range(0, len(missing), _BATCH):
            metrics = [{"key": key, **asdict(point)} for point in missing[start : start + _BATCH]]
            client.call("POST", "runs/log-batch", json={"run_id": into, "metrics": metrics})


def _last_steps(run: Mapping[str, Any]) -> dict[str, int]:
    return {str(entry["key"]): int(entry.get("step", 0)) for entry in run["data"].get("metrics", [])}


def metric_history(client: MlflowClient, run_id: str, key: str) -> Iterator[MetricPoint]:
    """Yield the points of a metric of a run, in the order in which they were logged.

    Args:
        client: The tracking server.
        run_id: The run.
        key: The metric.

    Raises:
        MlflowError: MLflow refused or did not answer.
    """
    query = {"run_id": run_id, "metric_key": key, "max_results": _BATCH}
    for point in client.pages("GET", "metrics/get-history", query, key="metrics", read=metric_point):
        yield MetricPoint(*point)
