"""What happens to a pod, logged while it happens."""

from __future__ import annotations

import time
from typing import Any

from airflow_ml_provider.attempts.attempt import PodIdentity
from airflow_ml_provider.decisions.pods.pod_news import PodNews
from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.errors import ClusterError, ClusterForbiddenError
from airflow_ml_provider.hooks.pods import Pods

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
        self._log = log
        self._uid = identity.uid
        self._news = PodNews(str(identity), events_every=EVENTS_EVERY_SECONDS, now=time.monotonic())

    def tell(self, state: PodState) -> None:
        """Tell what changed."""
        self._uid = state.uid
        if change := self._news.change(state):
            self._log.info("%s", change)
        if self._news.wants_events(state, now=time.monotonic()):
            self.tell_events()

    def tell_events(self) -> None:
        """Log the pod's events that were not logged yet."""
        try:
            events = self._pods.events(self._uid) if self._uid else []
        except (ClusterError, ClusterForbiddenError) as error:
            self._log.warning("The pod's events cannot be read: %s", error)
            return
        for level, line in self._news.events(events):
            self._log.log(level, "%s", line)
