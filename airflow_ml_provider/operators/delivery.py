"""A result that was committed but not delivered is taken by the next try instead of running again."""

from __future__ import annotations

from airflow.sdk import Context

from airflow_ml_provider.operators.local_runner import read_result
from airflow_ml_provider.protocol import StageResult

_KEY = "airflow_ml_undelivered"


def remember(context: Context, *, attempt_uri: str, work_digest: str) -> None:
    """Note that an attempt succeeded, before anything is done with its result."""
    context["task_state_store"].set(_KEY, {"attempt_uri": attempt_uri, "work": work_digest})


def forget(context: Context) -> None:
    """Note that the result was delivered; a later clear of the task runs anew."""
    context["task_state_store"].delete(_KEY)


def find_undelivered(context: Context, *, work_digest: str) -> StageResult | None:
    """Return the result of an earlier try at the same work that was not delivered.

    Raises:
        StoreUnavailableError: The store did not answer.
    """
    noted = context["task_state_store"].get(_KEY)
    if not isinstance(noted, dict) or noted.get("work") != work_digest:
        return None
    result = read_result(str(noted["attempt_uri"]))
    return result if result is not None and result.failure is None else None
