"""Waits for the end of a stage's pod, logging what it logs."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, suppress
from dataclasses import asdict
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_ml_provider.decisions.outcome import StageOutcome
from airflow_ml_provider.decisions.pods.hand_over import HandOver
from airflow_ml_provider.decisions.pods.log_lines import LogLines
from airflow_ml_provider.decisions.pods.log_position import (
    LogMark,
    lines_to_repeat,
    longest_rest_seconds,
    rest_seconds,
)
from airflow_ml_provider.decisions.pods.log_reading import LogReading, ShownLine
from airflow_ml_provider.decisions.pods.pending import Patience, StartClock
from airflow_ml_provider.decisions.pods.pod_news import PodNews
from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.errors import ClusterError, ClusterForbiddenError
from airflow_ml_provider.hooks.async_pods import AsyncPods
from airflow_ml_provider.hooks.pod_log import RECONNECT_SECONDS, RETRY_SECONDS
from airflow_ml_provider.triggers.namespace_watch import ClusterAccess, Follower, followed, log_streams

EVENTS_EVERY_SECONDS = 30.0
_TICK_SECONDS = 1.0
_DELETING: set[asyncio.Task[None]] = set()


class StagePodTrigger(BaseTrigger):
    """Follows one pod through the namespace's shared watch until its stage ends, it is gone, or its time is up.

    The event holds the pod's last state, so that the task that resumes needs neither the pod nor its log.

    Args:
        namespace: The pod's namespace.
        pod_name: The pod.
        container: The container that runs the stage, or commits in a staged pod.
        log_container: The container whose log is followed.
        access: The arguments of :class:`~airflow_ml_provider.triggers.namespace_watch.ClusterAccess`.
        get_logs: Whether to follow the container's log.
        startup_seconds: How long the container may take to start once the pod has a node.
        capacity_seconds: How long the pod may wait for a node, ``None`` for as long as the task may run.
        deadline: When the task's time is up, in seconds since the epoch; ``None`` for never.
        delete_on_kill: Whether a user's mark or clear of the task deletes the pod.
        grace_seconds: The pod's grace period when it is deleted, in seconds; ``None`` for the pod's own.
        not_before: When the task may resume at the earliest, in seconds since the epoch.
        hand_over: What the task that deferred knows of the pod: a :class:`HandOver` as a mapping.
    """

    def __init__(
        self,
        *,
        namespace: str,
        pod_name: str,
        container: str,
        log_container: str,
        access: dict[str, Any],
        get_logs: bool = True,
        startup_seconds: float = 120.0,
        capacity_seconds: float | None = None,
        deadline: float | None = None,
        delete_on_kill: bool = True,
        grace_seconds: int | None = None,
        not_before: float = 0.0,
        hand_over: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.namespace = namespace
        self.pod_name = pod_name
        self.container = container
        self.log_container = log_container
        self.access = access
        self.get_logs = get_logs
        self.startup_seconds = startup_seconds
        self.capacity_seconds = capacity_seconds
        self.deadline = deadline
        self.delete_on_kill = delete_on_kill
        self.grace_seconds = grace_seconds
        self.not_before = not_before
        self.hand_over = hand_over
        self._read_so_far = LogReading()
        self._repeated: int | None = None
        self._begun_at = LogMark()
        self._ended = asyncio.Event()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the constructor's arguments."""
        names = (
            *("namespace", "pod_name", "container", "log_container", "access", "get_logs", "startup_seconds"),
            *("capacity_seconds", "deadline", "delete_on_kill", "grace_seconds", "not_before", "hand_over"),
        )
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event, when there is nothing more to wait for."""
        follower = Follower(self.pod_name, self.container)
        try:
            async with followed(ClusterAccess(**self.access), namespace=self.namespace, follower=follower) as pods:
                event = await self._until_end(follower, pods)
        except (ClusterError, ClusterForbiddenError) as error:
            event = self._event(follower, failure=error)
        await asyncio.sleep(self.not_before - time.time())
        yield TriggerEvent({**event, "tail": list(self._read_so_far.tail)})  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Delete the pod: a user marked or cleared the task."""
        if not self.delete_on_kill:
            return
        # The triggerer cancels again each second until the trigger has ended: the request is not to be cut off.
        deleting = asyncio.create_task(self._delete())
        _DELETING.add(deleting)
        deleting.add_done_callback(_DELETING.discard)
        await asyncio.shield(deleting)

    async def _delete(self) -> None:
        hook = await ClusterAccess(**self.access).hook()
        async with hook.get_conn() as client:
            pods = AsyncPods(client, namespace=self.namespace, log_streams=log_streams())
            await pods.delete(self.pod_name, grace_seconds=self.grace_seconds)

    async def _until_end(self, follower: Follower, pods: AsyncPods) -> dict[str, Any]:
        clock = self._clock()
        story = _Story(self.log, pods, f"{self.namespace}/{self.pod_name}")
        reading: asyncio.Task[None] | None = None
        try:
            while (event := self._decided(follower, clock)) is None:
                state = follower.state
                if state is not None:
                    await story.tell(state)
                    if state.started and reading is None and self.get_logs:
                        reading = self._start_reading(pods, state)
                await follower.change(_TICK_SECONDS)
            if follower.state is not None:
                await story.tell(follower.state)
                if reading is None and follower.state.started and self.get_logs:
                    reading = self._start_reading(pods, follower.state)
                if event["outcome"]:
                    await story.tell_events(follower.state.uid)
        except asyncio.CancelledError:
            # The triggerer repeats a cancellation until its trigger has ended: nothing is waited for here.
            if reading is not None:
                reading.cancel()
            raise
        self._ended.set()
        if reading is not None:
            await self._finish_log(reading, pods, follower.state)
        return event

    def _clock(self) -> StartClock:
        patience = Patience(startup=self.startup_seconds, capacity=self.capacity_seconds)
        waited = None if self._known is None else self._known.waited
        return StartClock(patience, waited=waited, now=time.monotonic())

    @property
    def _known(self) -> HandOver | None:
        return None if self.hand_over is None else HandOver.from_plain(self.hand_over)

    def _decided(self, follower: Follower, clock: StartClock) -> dict[str, Any] | None:
        state = follower.state
        if follower.failure is not None:
            return self._event(follower, failure=follower.failure)
        if follower.gone or (state is not None and (state.ended or state.is_lost(dt.datetime.now(tz=dt.UTC)))):
            return self._event(follower)
        outcome = None if state is None else clock.judge(state, now=time.monotonic())
        if outcome is not None:
            return self._event(follower, outcome=outcome)
        if self.deadline is not None and time.time() > self.deadline:
            return self._event(follower, timed_out=True)
        return None

    def _start_reading(self, pods: AsyncPods, state: PodState) -> asyncio.Task[None]:
        now = dt.datetime.now(tz=dt.UTC)
        known = self._known
        if known is not None:
            if known.is_fresh(now.timestamp()):
                self._read_so_far = LogReading(known.log, known.tail)
                return asyncio.create_task(self._follow_log(pods))
            # Of the last lines the one that the task logged last is seldom one.
            self._read_so_far = LogReading(LogMark(known.log.time), known.tail)
        self._begun_at = self._read_so_far.mark
        self._repeated = lines_to_repeat(state.started_at, now)
        if self._repeated is not None:
            self.log.warning(
                "The stage runs since %s and its log is taken up: up to %s lines are logged again; earlier ones, if "
                "they were not logged, are in the pod's log alone",
                state.started_at,
                self._repeated,
            )
        return asyncio.create_task(self._follow_log(pods))

    async def _finish_log(self, reading: asyncio.Task[None], pods: AsyncPods, state: PodState | None) -> None:
        quiet, longest, began = rest_seconds(state) / 2, longest_rest_seconds(state), time.monotonic()
        try:
            # The second half of the time is for a look without following.
            await self._await_reading(reading, quiet=quiet, deadline=began + max(quiet, longest - quiet))
            if not reading.done():
                # A stream that hangs is cut, and what it held back is read once more without following.
                reading.cancel()
                reading = asyncio.create_task(self._follow_log(pods))
                await self._await_reading(reading, quiet=quiet, deadline=began + longest)
        finally:
            whole = reading.done() and not reading.cancelled() and reading.exception() is None
            reading.cancel()
        if not whole:
            self.log.warning("The end of the container's log did not come in time: lines may be missing")

    async def _await_reading(self, reading: asyncio.Task[None], *, quiet: float, deadline: float) -> None:
        seen = -1
        while not reading.done() and self._read_so_far.lines != seen and time.monotonic() < deadline:
            seen = self._read_so_far.lines
            await asyncio.wait({reading}, timeout=quiet)

    async def _follow_log(self, pods: AsyncPods) -> None:
        while True:
            last_look = self._ended.is_set()
            turn = last_look or not pods.streams.locked()
            try:
                if turn and await self._read_log(pods, follow=not last_look) and last_look:
                    return
            except ClusterForbiddenError as error:
                if self._read_so_far.is_refused_for_good(now=time.monotonic(), last_look=last_look):
                    self.log.warning("The container's log is not followed: %s", error)
                    return
            if last_look:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ended.wait(), RECONNECT_SECONDS)

    async def _read_log(self, pods: AsyncPods, *, follow: bool) -> bool:
        since, lines = self._read_so_far.since(), LogLines()
        found = pods.log(
            self.pod_name,
            container=self.log_container,
            since=since,
            tail_lines=self._repeated if self._read_so_far.mark == self._begun_at else None,
            follow=follow,
            lines=lines,
        )
        try:
            async with aclosing(found):
                async for line in found:
                    self._read_so_far.answered()
                    self._show(self._read_so_far.take(line))
            if not follow:
                self._show(self._read_so_far.end(lines))
        except ClusterError:
            return False
        finally:
            self._read_so_far.cut(lines)
        return True

    def _show(self, lines: Iterable[ShownLine]) -> None:
        for line in lines:
            self.log.log(logging.WARNING if line.is_warning else logging.INFO, "%s", line.text)

    def _event(
        self,
        follower: Follower,
        *,
        outcome: StageOutcome | None = None,
        failure: ClusterError | ClusterForbiddenError | None = None,
        timed_out: bool = False,
    ) -> dict[str, Any]:
        return {
            "gone": follower.gone
            or (follower.state is not None and follower.state.is_lost(dt.datetime.now(tz=dt.UTC))),
            "state": None if follower.state is None else asdict(follower.state),
            "outcome": None if outcome is None else asdict(outcome),
            "failure": None if failure is None else [type(failure).__name__, str(failure)],
            "timed_out": timed_out,
        }


class _Story:
    """Tells each change of a pod once, and its events while it does not start."""

    def __init__(self, log: Any, pods: AsyncPods, pod: str) -> None:
        self._log = log
        self._pods = pods
        self._news = PodNews(pod, events_every=EVENTS_EVERY_SECONDS, now=time.monotonic())

    async def tell(self, state: PodState) -> None:
        if change := self._news.change(state):
            self._log.info("%s", change)
        if self._news.wants_events(state, now=time.monotonic()):
            await self.tell_events(state.uid)

    async def tell_events(self, uid: str) -> None:
        try:
            events = await self._pods.events(uid)
        except (ClusterError, ClusterForbiddenError) as error:
            self._log.warning("The pod's events cannot be read: %s", error)
            return
        for level, line in self._news.events(events):
            self._log.log(level, "%s", line)
