"""What a task's log does not say of its pod yet."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_ml_provider.decisions.pods.pod_state import PodState, describe
from airflow_ml_provider.protocol.plain_text import one_line

_EVENT_LENGTH = 500


class PodNews:
    """Keeps what was logged of a pod, so that each change and each event is logged once.

    Args:
        pod: The pod, as it is called in the log.
        events_every: How often events are read while the pod does not start, in seconds.
        now: The time in seconds on any clock that only goes forward.
    """

    def __init__(self, pod: str, *, events_every: float, now: float) -> None:
        self._pod = pod
        self._every = events_every
        self._events_at = now + events_every
        self._told: set[str] = set()
        self._last = ""

    def change(self, state: PodState) -> str:
        """Return what changed in words, empty when nothing did."""
        line = describe(state)
        if line == self._last:
            return ""
        self._last = line
        return f"Pod {self._pod} {line}"

    def wants_events(self, state: PodState, *, now: float) -> bool:
        """Whether it is time to read the pod's events."""
        if not state.waits or now < self._events_at:
            return False
        self._events_at = now + self._every
        return True

    def events(self, events: Iterable[Mapping[str, Any]]) -> list[tuple[int, str]]:
        """Return the events that were not logged, each with its level of logging."""
        news = []
        for event in events:
            line = one_line(f"Event {event.get('reason')}: {event.get('message')}", _EVENT_LENGTH)
            if line not in self._told:
                self._told.add(line)
                news.append((logging.WARNING if event.get("type") == "Warning" else logging.INFO, line))
        return news
