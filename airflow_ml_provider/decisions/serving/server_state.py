"""Will a server become ready? A pod's status in, the reason why not out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from airflow_ml_provider.decisions.pods.pending import Patience, read_pending
from airflow_ml_provider.decisions.pods.pod_state import PodState

STARTS = 3
"""After how many starts that all ended a server is given up."""


def server_fault(pod: Mapping[str, Any], *, container: str, seconds: float) -> str:
    """Say why a server will not become ready, empty as long as it may, and for one that is deleted.

    Args:
        pod: The pod as the Kubernetes API gives it.
        container: The name of the container that serves.
        seconds: How long it is there.
    """
    if "deletionTimestamp" in pod["metadata"]:
        return ""
    outcome = read_pending(PodState.of(pod, container=container), seconds=seconds, patience=Patience(startup=math.inf))
    if outcome is not None:
        return outcome.message
    statuses = pod["status"]
    for status in (*statuses.get("initContainerStatuses", ()), *statuses.get("containerStatuses", ())):
        ended = status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated") or {}
        if ended.get("reason") == "OOMKilled":
            return f"container {status['name']} used more memory than it has (OOMKilled): raise resources.memory"
        if ended.get("exitCode", 0) != 0 and status.get("restartCount", 0) >= STARTS - 1:
            return f"container {status['name']} ends again and again, last with exit code {ended['exitCode']}"
    return ""
