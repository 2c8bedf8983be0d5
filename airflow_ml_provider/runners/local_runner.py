"""The local runner: a stage as a child process of the Airflow worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from logging import Logger
from typing import IO, TYPE_CHECKING, Any, ClassVar, Self

from airflow_ml_provider.attempts.attempt import Attempt
from airflow_ml_provider.decisions.outcome import read_outcome
from airflow_ml_provider.errors import StageFailedError, StageKilledError
from airflow_ml_provider.protocol.environment import ISOLATED_VARIABLE, LIFELINE_VARIABLE, REQUEST_VARIABLE
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.protocol.tune import LOCAL_VARIABLE
from airflow_ml_provider.runners.runner import Ended, read_result
from airflow_ml_provider.runners.stage_environment import stage_environment

if TYPE_CHECKING:
    from airflow_ml_provider.settings import MlSettings

TAIL_LINES = 20
LINE_LIMIT = 64 * 1024
# Less than the five seconds after which Airflow kills a task that received SIGTERM.
LOOK_SECONDS = 0.1
GRACE_SECONDS = 3.0


class LocalRunner:
    """Runs one request at a time in a process group of its own, logging what it prints.

    Args:
        log: Where the stage's lines go.
        passed: Further patterns of this process's environment variables that the stage's process gets.
        isolated: Whether it is kept from looking into other processes of its user, where the system can.
        variables: Environment variables that it gets next to those.
        listener: Is called with each line too.

    Attributes:
        listeners: Are called with each line too; for a process that shows what its stages do, such as that of
            ``airflow-ml run``.
    """

    listeners: ClassVar[list[Callable[[str], None]]] = []

    def __init__(
        self,
        log: Any | Logger,
        *,
        passed: Sequence[str] = (),
        isolated: bool = True,
        variables: Mapping[str, str] | None = None,
        listener: Callable[[str], None] | None = None,
    ) -> None:
        self._log = log
        self._passed = passed
        self._isolated = isolated
        self._variables = variables or {}
        self._listeners = [*self.listeners, *([listener] if listener else [])]
        self._process: subprocess.Popen[str] | None = None
        self._prepared: tuple[StageRequest, Mapping[str, str]] | None = None
        self._stopped = False
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    @classmethod
    def of(
        cls,
        settings: MlSettings,
        *,
        log: Any | Logger,
        variables: Mapping[str, str] | None = None,
        listener: Callable[[str], None] | None = None,
    ) -> Self:
        """Return the runner that the section ``[ml]`` asks for."""
        return cls(
            log,
            passed=settings.stage_environment,
            isolated=settings.isolate_stages,
            variables=variables,
            listener=listener,
        )

    def prepare(self, request: StageRequest, *, secrets: Mapping[str, str], memory: int) -> None:
        """Keep what is to run."""
        self._prepared = (request, secrets)

    def start(self, *, waiting_since: float, note: Callable[[float], None]) -> str:
        """Do nothing: the process is a child of the call that waits for it."""
        return ""

    def is_running(self, attempt: Attempt) -> bool:
        """Return false: the process dies with its worker."""
        return False

    def follow(self, attempt: Attempt) -> None:
        """Fail: there is never a process to take over."""
        raise AssertionError(f"attempt {attempt.attempt} is not a process of this worker")

    def accompany(self, attempt: Attempt, request: StageRequest, *, secrets: Mapping[str, str]) -> None:
        """Do nothing: a process has its companions as children."""

    def discard(self, attempt: Attempt) -> None:
        """Do nothing: the process died with its worker."""

    def harvest(self, attempt: Attempt, event: Mapping[str, Any]) -> Ended:
        """Fail: a process is followed by nobody else."""
        raise StageFailedError(f"attempt {attempt.attempt} was not a process of this worker; a retry runs it anew")

    def image(self, *, of_template: bool) -> str:
        """Return nothing: a process has no image."""
        return ""

    def wait(self) -> Ended:
        """Run what was prepared to its end.

        Raises:
            ProtocolError: The request is too large, or the result cannot be read.
            StageKilledError: ``stop`` was called.
            StoreUnavailableError: The result could not be read.
        """
        assert self._prepared is not None
        request, secrets = self._prepared
        if self._stopped:
            raise StageKilledError("the task received SIGTERM before its stage began")
        exit_code, result = self.run(request, secrets=secrets)
        if self._stopped:
            raise StageKilledError(f"the task received SIGTERM, and its stage with it (exit code {exit_code})")
        return Ended(read_outcome(exit_code, result), result, tuple(self.tail), exit_code=exit_code)

    def run(self, request: StageRequest, *, secrets: Mapping[str, str]) -> tuple[int, StageResult | None]:
        """Run a stage to its end; returns its exit code and its result, ``None`` when it left none.

        Args:
            request: The stage's request.
            secrets: Variables that must reach the process and nothing else.

        Raises:
            ProtocolError: The request is too large, or the result cannot be read.
            StoreUnavailableError: The result could not be read.
        """
        read_end, write_end = os.pipe()
        environment = child_environment(
            {**stage_environment(os.environ, passed=self._passed), **self._variables},
            request=request,
            secrets=secrets,
            lifeline=read_end,
            isolated=self._isolated,
        )
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "airflow_ml_provider.runtime"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
                pass_fds=(read_end,),
            )
            os.close(read_end)
            reader = threading.Thread(
                target=self._follow,
                args=(self._process.stdout,),
                name=threading.current_thread().name,
                daemon=True,
            )
            reader.start()
            exit_code = self._exit_code(self._process)
            self._end_group()
            reader.join(GRACE_SECONDS)
        finally:
            self._end_group()
            os.close(write_end)
        return exit_code, read_result(request.attempt_uri)

    def stop(self) -> None:
        """End the process group: SIGTERM, after three seconds SIGKILL; also what the stage left behind.

        Airflow calls this from a signal handler, on the thread that waits for the process in ``run`` and may hold any
        lock: here is only said so, and ``run`` ends it.
        """
        self._stopped = True

    def _exit_code(self, process: subprocess.Popen[str]) -> int:
        ended = threading.Event()

        def wait() -> None:
            process.wait()
            ended.set()

        # In a thread of its own: SIGTERM is seen here between two looks, and the end at once.
        threading.Thread(target=wait, daemon=True).start()
        since: float | None = None
        while not ended.wait(LOOK_SECONDS):
            if self._stopped and since is None:
                since = time.monotonic()
                _signal_group(process.pid, signal.SIGTERM)
            if since is not None and time.monotonic() - since > GRACE_SECONDS:
                _signal_group(process.pid, signal.SIGKILL)
        return process.returncode

    def _end_group(self) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            _signal_group(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()

    def _follow(self, stream: IO[str]) -> None:
        while line := stream.readline(LINE_LIMIT):
            text = line.rstrip("\r\n")
            self.tail.append(text)
            self._log.info("%s", text)
            for listener in self._listeners:
                listener(text)


def child_environment(
    environment: Mapping[str, str],
    *,
    request: StageRequest,
    secrets: Mapping[str, str],
    lifeline: int,
    isolated: bool,
) -> dict[str, str]:
    """Return the stage's environment: what of the worker's reaches it, the request, the secrets."""
    return {
        **environment,
        **secrets,
        "PYTHONUNBUFFERED": "1",
        REQUEST_VARIABLE: request.to_json(),
        LIFELINE_VARIABLE: str(lifeline),
        LOCAL_VARIABLE: "1",
        **({ISOLATED_VARIABLE: "1"} if isolated else {}),
    }


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
