"""A result that was committed but not delivered is taken by the next try instead of running again."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_ml_provider.operators.local_runner import read_result
from airflow_ml_provider.protocol.result import StageResult

_KEY = "airflow_ml_undelivered"


@dataclass(frozen=True)
class Undelivered:
    """What an earlier try left.

    Attributes:
        result: Its successful result.
        attempt_run: The MLflow run that its user code logged to, empty when it was untracked.
    """

    result: StageResult
    attempt_run: str


def remember(context: Context, *, attempt_uri: str, work_digest: str, attempt_run: str) -> None:
    """Note that an attempt succeeded, before anything is done with its result."""
    noted: dict[str, JsonValue] = {"attempt_uri": attempt_uri, "work": work_digest, "attempt_run": attempt_run}
    context["task_state_store"].set(_KEY, noted)


def forget(context: Context) -> None:
    """Note that the result was delivered; a later clear of the task runs anew."""
    context["task_state_store"].delete(_KEY)


def find_undelivered(context: Context, *, work_digest: str) -> Undelivered | None:
    """Return the result of an earlier try at the same work that was not delivered.

    Raises:
        StoreUnavailableError: The store did not answer.
    """
    noted = context["task_state_store"].get(_KEY)
    if not isinstance(noted, dict) or noted.get("work") != work_digest:
        return None
    result = read_result(str(noted["attempt_uri"]))
    if result is None or result.failure is not None:
        return None
    return Undelivered(result, str(noted["attempt_run"]))
