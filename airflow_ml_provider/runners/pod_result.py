"""The result of an attempt in a pod: from its termination message, or the store."""

from __future__ import annotations

from typing import Any

from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.protocol.termination import digest_in_message, result_digest, result_in_message
from airflow_ml_provider.runners.runner import read_result


def pod_result(state: PodState | None, *, attempt_uri: str, log: Any) -> StageResult | None:
    """Return what the stage wrote, ``None`` when it wrote nothing, or the store holds something else by now.

    Args:
        state: The pod's last state, ``None`` when none was seen.
        attempt_uri: The attempt's directory in the store.
        log: The task's log.
    """
    message = "" if state is None else state.termination_message
    carried = result_in_message(message)
    if carried is not None:
        return carried
    result, digest = read_result(attempt_uri), digest_in_message(message)
    if result is not None and digest not in (None, result_digest(result.to_json().encode())):
        log.error("The result in %s is not the one that the stage wrote", attempt_uri)
        return None
    return result
