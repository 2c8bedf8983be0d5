"""What the task's log, its XComs and its failure say of how a stage ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_ml_provider.attempts.run_context import Outputs
from airflow_ml_provider.errors import (
    FAILURE_CLASSES,
    LookAgainError,
    MlError,
    StageConfigurationError,
    StageFailedError,
    StageSkippedError,
)
from airflow_ml_provider.protocol.metrics import DEFAULT_PARAMS, all_metrics
from airflow_ml_provider.protocol.plain_text import one_line
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.runners.runner import Ended

SHOWN_METRICS = 50
FAILURE_XCOM = "failure"
"""The key of the output that says why a stage failed; Airflow removes it when the task runs again."""


class PendingOutputs:
    """Outputs that are pushed once the stage's MLflow run is closed.

    Attributes:
        judged: Whether a verdict on the result failed the task, which is handed on all the same.
    """

    def __init__(self) -> None:
        self.judged = False
        self._values: dict[str, Any] = {}

    def push(self, key: str, value: Any) -> None:
        """Keep a value until then."""
        self._values[key] = value

    def push_to(self, outputs: Outputs) -> None:
        """Push all values, in the order in which they came."""
        for key, value in self._values.items():
            outputs.push(key, value)


@contextmanager
def failure_pushed(outputs: Outputs) -> Iterator[None]:
    """Push why the block failed, its class and the first line, for who looks at the run and not at the log."""
    try:
        yield
    except (StageSkippedError, LookAgainError):
        raise
    except MlError as error:
        line = one_line(next(iter(str(error).splitlines()), ""))
        said = {"class": type(error).__name__, "message": line}
        try:
            outputs.push(FAILURE_XCOM, said)
        finally:
            # Also when nothing can be pushed: the class decides on a retry.
            raise error


def push(outputs: Outputs, result: StageResult) -> None:
    """Push each output, each value, and ``metrics``."""
    pushed: dict[str, Any] = {
        **{name: ref.to_plain() for name, ref in result.outputs.items()},
        **{name: value for name, value in result.values.items() if name != DEFAULT_PARAMS},
        "metrics": dict(result.metrics),
    }
    for key, value in pushed.items():
        outputs.push(key, value)


def summarize(log: Any, result: StageResult) -> None:
    """Log what a stage measured and committed."""
    metrics = all_metrics(result.metrics, result.values)
    if metrics:
        more = f" and {len(metrics) - SHOWN_METRICS:,} more" if len(metrics) > SHOWN_METRICS else ""
        shown = ", ".join(f"{name} {value:.6g}" for name, value in list(metrics.items())[:SHOWN_METRICS])
        log.info("Metrics: %s%s", shown, more)
    for name, ref in result.outputs.items():
        log.info("Output %s: %s, %s bytes, %s, in %s", name, ref.type, f"{ref.size:,}", ref.digest, ref.uri)


def failure_of(ended: Ended) -> MlError:
    """Return what a task fails with after an attempt that failed; its class says whether a retry helps."""
    tail = "".join(f"\n  | {line}" for line in ended.tail)
    message = f"{ended.outcome.message}{tail and chr(10) + 'Last lines of its log:' + tail}"
    if not ended.outcome.retry_helps:
        return StageConfigurationError(message)
    return FAILURE_CLASSES.get(ended.outcome.verdict, StageFailedError)(message)
