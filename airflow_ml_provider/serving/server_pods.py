"""The pods that serve a revision: which are ready, and why others will not be."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.decisions.serving.rollout import Revision
from airflow_ml_provider.decisions.serving.server_state import server_fault
from airflow_ml_provider.pod.server import addresses

if TYPE_CHECKING:
    from airflow_ml_provider.hooks.pods import Pods


class ServerPods:
    """The servers of one endpoint.

    Args:
        pods: The Kubernetes API.
        labels: Returns the labels that the pods of a revision have, and no others.
        container: The name of the container that serves.
    """

    def __init__(self, pods: Pods, *, labels: Callable[[Revision], Mapping[str, str]], container: str) -> None:
        self._pods = pods
        self._labels = labels
        self._container = container

    def of(self, revision: Revision) -> list[dict[str, Any]]:
        """Return the pods of a revision."""
        return list(self._pods.select(self._labels(revision)))

    def ready(self, revision: Revision) -> list[str]:
        """Return the addresses of the pods that are ready."""
        return addresses(self.of(revision))

    def faults(self, revision: Revision) -> str:
        """Say why the pods of a revision will not become ready."""
        now = dt.datetime.now(tz=dt.UTC)
        for pod in self.of(revision):
            created = dt.datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
            fault = server_fault(pod, container=self._container, seconds=(now - created).total_seconds())
            if fault:
                return f"pod {self._pods.namespace}/{pod['metadata']['name']}: {fault}{self._last_lines(pod)}"
        return ""

    def waits(self, revision: Revision) -> str:
        """Say what the pods of a revision wait for."""
        states = (PodState.of(pod, container=self._container) for pod in self.of(revision))
        reasons = (state.unschedulable or state.container_message or state.container_reason for state in states)
        return next(filter(None, reasons), "")

    def _last_lines(self, pod: dict[str, Any]) -> str:
        lines = self._pods.last_lines(pod["metadata"]["name"], container=self._container, count=10)
        return "".join(f"\n  | {line}" for line in lines)
