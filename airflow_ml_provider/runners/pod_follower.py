"""Follows one pod after the other in the task's own process, each to the end of its stage."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeAlias

from airflow_ml_provider.decisions.outcome import StageOutcome
from airflow_ml_provider.decisions.pods.pending import Patience, StartClock, Waited
from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.errors import ClusterError, ClusterForbiddenError, StageKilledError
from airflow_ml_provider.hooks.pod_watch import pod_states
from airflow_ml_provider.hooks.pods import Pods

_TICK_SECONDS = 1.0


class _Stop:
    """Put among the pod's changes when the task receives SIGTERM."""


_Change: TypeAlias = dict[str, Any] | Exception | _Stop | None


class SeenEnd(NamedTuple):
    """What was seen last of a pod.

    Attributes:
        outcome: Why it was given up, ``None`` when its stage ended, or it is gone.
        state: Its last state, ``None`` when it was gone before anything was seen of it.
    """

    outcome: StageOutcome | None
    state: PodState | None


class PodFollower:
    """Follows pods.

    Args:
        container: The container that runs the stage, or commits in a staged pod.
        patience: How long a pod may take to start.
        warn: Gets what goes wrong with the watch, and is tried again.
    """

    def __init__(self, *, container: str, patience: Patience, warn: Callable[..., None]) -> None:
        self._container = container
        self._patience = patience
        self._clock = StartClock(patience)
        self._warn = warn
        self._changes: SimpleQueue[_Change] = SimpleQueue()
        self._stopped = False

    def stop(self) -> None:
        """Wake the waiting thread, which ends with an error; may be called from a signal handler."""
        self._stopped = True
        self._changes.put(_Stop())

    @property
    def waited(self) -> Waited:
        """How long the pod that was followed last has been as it is."""
        return self._clock.waited(now=time.monotonic())

    def rest(self, seconds: float) -> None:
        """Wait, no longer than until ``stop`` is called.

        Raises:
            StageKilledError: ``stop`` was called.
        """
        with suppress(Empty):
            self._changes.get(timeout=seconds)
        if self._stopped:
            raise StageKilledError("the task received SIGTERM before its stage began")

    def follow(
        self, pods: Pods, name: str, *, see: Callable[[dict[str, Any], PodState], None], seconds: float | None
    ) -> SeenEnd | None:
        """Follow a pod to the end of its stage; returns ``None`` when that does not come in time.

        Args:
            pods: The namespace.
            name: The pod.
            see: Gets each change of the pod.
            seconds: How long to wait, ``None`` for as long as it takes.

        Raises:
            ClusterUnavailableError: The API server was away for 15 minutes.
            ClusterForbiddenError: A right is missing.
            StageKilledError: ``stop`` was called.
        """
        until = None if seconds is None else time.monotonic() + seconds
        changes, followed = self._changes, threading.Event()
        threading.Thread(target=self._watch, args=(pods, name, changes, followed), daemon=True).start()
        try:
            return self._until_end(see, until)
        finally:
            followed.set()
            # What the watch of this pod still says is not about the next one.
            self._changes = SimpleQueue()

    def _until_end(self, see: Callable[[dict[str, Any], PodState], None], until: float | None) -> SeenEnd | None:
        state: PodState | None = None
        last: dict[str, Any] | None = None
        clock = self._clock = StartClock(self._patience)
        while until is None or time.monotonic() < until:
            change: _Change
            try:
                change = self._changes.get(timeout=_TICK_SECONDS)
            except Empty:
                if last is None and not self._stopped:
                    continue
                change = _Stop() if self._stopped else last
            if isinstance(change, _Stop):
                raise StageKilledError("the task received SIGTERM, and its pod with it")
            if isinstance(change, Exception):
                raise change
            if change is None:
                return SeenEnd(None, state)
            state, last = PodState.of(change, container=self._container), change
            see(change, state)
            if state.ended or state.is_lost(dt.datetime.now(tz=dt.UTC)):
                return SeenEnd(None, state)
            outcome = clock.judge(state, now=time.monotonic())
            if outcome is not None:
                return SeenEnd(outcome, state)
        return None

    def _watch(self, pods: Pods, name: str, changes: SimpleQueue[_Change], followed: threading.Event) -> None:
        try:
            for pod in pod_states(pods, name, warn=self._warn, stopped=followed.is_set):
                changes.put(pod)
        except (ClusterError, ClusterForbiddenError) as error:
            changes.put(error)
