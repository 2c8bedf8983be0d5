"""A pod is asked for until a quota has room for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.errors import ClusterCapacityError
from airflow_ml_provider.hooks.pods import Pods
from airflow_ml_provider.runners.pod_settings import PodSettings

if TYPE_CHECKING:
    from kubernetes.client import V1Pod

QUOTA_SECONDS = 5.0
"""How often a pod that a quota refused is asked for again."""


def create_patiently(
    pods: Pods, pod: V1Pod, *, settings: PodSettings, rest: Callable[[float], None], log: Any
) -> dict[str, Any]:
    """Create a pod; returns it as the API server does.

    Args:
        pods: Its namespace.
        pod: The pod.
        settings: How long it may wait for room.
        rest: Waits so many seconds, or raises when the task is to end.
        log: The task's log.

    Raises:
        ClusterCapacityError: A quota was used up for as long as ``capacity_timeout`` says.
        ClusterError: Kubernetes refused the pod.
    """
    capacity, since, warned = settings.capacity_timeout, time.monotonic(), False
    while True:
        try:
            return pods.create(pod)
        except ClusterCapacityError as error:
            if capacity is not None and time.monotonic() - since > capacity.total_seconds():
                raise
            if not warned:
                log.warning("Waiting for room: %s", error)
                warned = True
        rest(QUOTA_SECONDS)
