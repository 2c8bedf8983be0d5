"""The logs of a pod's containers in the task's log: the stage's own, and those that were asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.decisions.pods.log_position import (
    TAIL_LINES,
    LogMark,
    longest_rest_seconds,
    rest_seconds,
)
from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.errors import ClusterError, ClusterForbiddenError
from airflow_ml_provider.hooks.pod_log import PodLog

if TYPE_CHECKING:
    from airflow_ml_provider.hooks.pods import Pods
    from airflow_ml_provider.runners.pod_callbacks import PodCallbacks
    from airflow_ml_provider.runners.pod_settings import ContainerLogSettings

_SIDECAR_SECONDS = 2.0
_FAILED_LINES = 200


class ContainerLogs:
    """Follows the logs of one pod.

    Args:
        pods: The namespace.
        pod: The pod's name.
        settings: Which containers, and how their lines look.
        container: The container that does the stage's own work.
        callbacks: Get each line too.
        log: The task's log.
    """

    def __init__(
        self,
        pods: Pods,
        pod: str,
        *,
        settings: ContainerLogSettings,
        container: str,
        callbacks: PodCallbacks,
        log: Any,
    ) -> None:
        self._pods = pods
        self._pod = pod
        self._settings = settings
        self._log = log
        self._container = container
        self._callbacks = callbacks
        self._logs: dict[str, PodLog] = {}
        self._seen: Mapping[str, Any] | None = None
        self._failed: deque[str] = deque(maxlen=TAIL_LINES)

    @property
    def tail(self) -> list[str]:
        """The last lines of what failed: an init container, else the stage's own."""
        own = self._logs.get(self._container)
        return list(self._failed) or ([] if own is None else list(own.tail))

    def see(self, pod: Mapping[str, Any], state: PodState) -> None:
        """Begin to follow the containers that have started by now."""
        self._seen = pod
        if state.started and self._settings.get_logs:
            self._follow(self._container)
        for name in self._wanted(pod):
            if _has_started(pod, name):
                self._follow(name)

    def leave(self) -> LogMark:
        """Stop following; returns how far the stage's own log was read."""
        for log in self._logs.values():
            log.leave()
        own = self._logs.get(self._container)
        return LogMark() if own is None else own.mark

    def finish(self, state: PodState | None) -> bool:
        """Bring the logs to their end; returns whether all of the stage's own came."""
        whole = True
        for name, log in self._logs.items():
            own = name == self._container
            quiet = rest_seconds(state) if own else _SIDECAR_SECONDS
            came = log.finish(quiet, longest=longest_rest_seconds(state) if own else quiet)
            whole = whole and (came or not own)
        self._show_failed_init(state)
        return whole

    def show(self, state: PodState | None) -> None:
        """Log what containers next to the stage's own said, of a pod whose own log was followed elsewhere."""
        asked = self._settings.containers or self._settings.init_containers
        wanted = asked or (state is not None and state.failed_init)
        if not wanted:
            return
        try:
            pod = self._pods.read(self._pod)
        except (ClusterError, ClusterForbiddenError) as error:
            self._log.warning("The logs of further containers cannot be shown: %s", error)
            return
        if pod is None:
            return
        self._seen = pod
        failed = "" if state is None else state.failed_init
        for name in self._wanted(pod):
            if name == failed:
                continue
            for line in self._last_lines(name):
                self._emit(line, name)
        self._show_failed_init(state)

    def _show_failed_init(self, state: PodState | None) -> None:
        name = "" if state is None else state.failed_init
        if not name:
            return
        known = self._logs.get(name)
        lines = list(known.tail) if known else self._last_lines(name)
        for line in () if known else lines:
            self._emit(line, name)
        self._failed.extend(lines)

    def _last_lines(self, name: str) -> list[str]:
        try:
            return self._pods.last_lines(self._pod, container=name, count=_FAILED_LINES)
        except ClusterForbiddenError as error:
            self._log.warning("The log of container %r cannot be shown: %s", name, error)
            return []

    def _wanted(self, pod: Mapping[str, Any]) -> list[str]:
        spec = pod["spec"]
        init = [entry["name"] for entry in spec.get("initContainers") or ()]
        others = [entry["name"] for entry in spec.get("containers") or ()]
        asked = [
            *_named(self._settings.init_containers, init),
            *_named(self._settings.containers, others),
        ]
        return [name for name in asked if name != self._container]

    def _follow(self, name: str) -> None:
        if name not in self._logs:
            emit = partial(self._emit, container=name)
            log = self._logs[name] = PodLog(self._pods, self._pod, container=name, emit=emit)
            log.start()

    def _emit(self, line: str, container: str) -> None:
        settings = self._settings
        formatted = None
        if settings.formatter is not None:
            formatted = self._callbacks.guarded("log_formatter", settings.formatter, container, line)
        if formatted is not None:
            text = formatted
        elif container != self._container and settings.prefixed:
            text = f"[{container}] {line}"
        else:
            text = line
        self._log.info("%s", text)
        self._callbacks.line(line, container=container, pod=self._seen)


def _named(asked: bool | str | Iterable[str] | None, known: Collection[str]) -> list[str]:
    if not asked:
        return []
    if asked is True:
        return list(known)
    names = [asked] if isinstance(asked, str) else list(asked)
    return [name for name in names if name in known]


def _has_started(pod: Mapping[str, Any], name: str) -> bool:
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    state = next((entry.get("state") or {} for entry in statuses if entry["name"] == name), {})
    return "running" in state or "terminated" in state
