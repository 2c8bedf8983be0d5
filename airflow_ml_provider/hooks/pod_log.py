"""A container's log as it is written, each line once, across broken connections."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import urllib3.exceptions
from kubernetes.client import ApiException

from airflow_ml_provider.decisions.pods.log_lines import LogLines
from airflow_ml_provider.decisions.pods.log_position import LogMark
from airflow_ml_provider.decisions.pods.log_reading import LogReading, ShownLine
from airflow_ml_provider.hooks.cluster_errors import cluster_error
from airflow_ml_provider.hooks.pods import Pods

RECONNECT_SECONDS = 1.0
RETRY_SECONDS = 0.2
_LEAVE_SECONDS = 1.0


class PodLog:
    """Follows one container's log in a thread; whether the container ended is never decided here.

    Args:
        pods: The namespace.
        name: The pod.
        container: The container.
        emit: Gets every line.
    """

    def __init__(self, pods: Pods, name: str, *, container: str, emit: Callable[[str], None]) -> None:
        self._pods = pods
        self._name = name
        self._container = container
        self._emit = emit
        self._read_so_far = LogReading()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._given_up = threading.Event()
        self._response: Any = None

    def start(self) -> None:
        """Begin to follow; a second call does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name=f"log of {self._name}", daemon=True)
            self._thread.start()

    @property
    def mark(self) -> LogMark:
        """How far the log was read."""
        return self._read_so_far.mark

    @property
    def tail(self) -> deque[str]:
        """The last 20 lines."""
        return self._read_so_far.tail

    def leave(self) -> None:
        """Stop reading: somebody else reads on from :attr:`mark`."""
        self._given_up.set()
        self._ended.set()
        self._cut()
        if self._thread is not None and self._response is not None:
            # What a stream that is cut still gives is dropped.
            self._thread.join(_LEAVE_SECONDS)

    def finish(self, quiet: float, *, longest: float) -> bool:
        """Read the rest of the log, and return whether all of it came.

        Args:
            quiet: How long no line may come before the rest is given up, in seconds.
            longest: How long it is read while lines come.
        """
        self._ended.set()
        if self._thread is None:
            return True
        began = time.monotonic()
        # The second half of the time is for a look without following.
        self._await_thread(self._thread, quiet=quiet / 2, deadline=began + max(quiet / 2, longest - quiet / 2))
        if self._thread.is_alive():
            # A stream that hangs is cut, and what it held back is read once more without following.
            self._cut()
            self._await_thread(self._thread, quiet=quiet / 2, deadline=began + longest)
        whole = not self._thread.is_alive()
        self._given_up.set()
        return whole

    def _cut(self) -> None:
        with suppress(OSError, AttributeError, ValueError, RuntimeError):
            self._response.shutdown()

    def _await_thread(self, thread: threading.Thread, *, quiet: float, deadline: float) -> None:
        seen = -1
        while thread.is_alive() and self._read_so_far.lines != seen and time.monotonic() < deadline:
            seen = self._read_so_far.lines
            thread.join(quiet)

    def _follow(self) -> None:
        while not self._given_up.is_set():
            last_look = self._ended.is_set()
            if self._read() and last_look:
                return
            if last_look:
                self._given_up.wait(RETRY_SECONDS)
            else:
                self._ended.wait(RECONNECT_SECONDS)

    def _read(self) -> bool:
        lines = LogLines()
        try:
            since, follow = self._read_so_far.since(), not self._ended.is_set()
            self._response = self._pods.log(self._name, container=self._container, since=since, follow=follow)
            self._read_so_far.answered()
            for chunk in self._response.stream(amt=None, decode_content=False):
                for line in lines.feed(chunk):
                    if self._given_up.is_set():
                        return False
                    self._show(self._read_so_far.take(line))
            if not follow:
                self._show(self._read_so_far.end(lines))
        except ApiException as error:
            return error.status == HTTPStatus.FORBIDDEN and self._is_hopeless(error)
        except (urllib3.exceptions.HTTPError, OSError):
            return False
        finally:
            self._read_so_far.cut(lines)
        return True

    def _show(self, lines: Iterable[ShownLine]) -> None:
        for line in lines:
            self._emit(line.text)

    def _is_hopeless(self, error: ApiException) -> bool:
        if not self._read_so_far.is_refused_for_good(now=time.monotonic(), last_look=self._ended.is_set()):
            return False
        self._emit(str(cluster_error(error, "get", "pods/log", f"{self._pods.namespace}/{self._name}")))
        self._given_up.set()
        return True
