"""What happens to a pod, told in the task's log while it happens."""

from __future__ import annotations

import time
from typing import Any

from airflow_ml_provider.decisions.pod_state import PodState, describe
from airflow_ml_provider.exceptions import ClusterError, ClusterForbiddenError
from airflow_ml_provider.hooks.pods import Pods
from airflow_ml_provider.operators.attempt import PodIdentity

EVENTS_EVERY_SECONDS = 5.0


class PodStory:
    """Tells each change of a pod once, and its events while it does not start.

    Args:
        pods: The namespace.
        identity: The pod.
        log: The task's log.
    """

    def __init__(self, pods: Pods, identity: PodIdentity, *, log: Any) -> None:
        self._pods = pods
        self._identity = identity
        self._log = log
        self._told = ""
        self._events: set[tuple[str, str]] = set()
        self._uid = identity.uid
        self._next_events = time.monotonic() + EVENTS_EVERY_SECONDS

    def tell(self, state: PodState) -> None:
        """Tell what changed."""
        self._uid = state.uid
        line = describe(state)
        if line != self._told:
            self._told = line
            self._log.info("Pod %s %s", self._identity, line)
        if not state.started and time.monotonic() > self._next_events:
            self._next_events = time.monotonic() + EVENTS_EVERY_SECONDS
            self.tell_events()

    def tell_events(self) -> None:
        """Tell the pod's events that were not told yet."""
        try:
            events = self._pods.events(self._uid) if self._uid else []
        except (ClusterError, ClusterForbiddenError) as error:
            self._log.warning("The pod's events cannot be read: %s", error)
            return
        for event in events:
            key = (str(event.get("reason")), str(event.get("message")))
            if key not in self._events:
                self._events.add(key)
                tell = self._log.warning if event.get("type") == "Warning" else self._log.info
                tell("Event %s: %s", *key)
