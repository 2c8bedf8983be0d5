"""The workers of a stage that is a process: children of this one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

from airflow_ml_provider.protocol.environment import REQUEST_VARIABLE
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.tune import LOCAL_VARIABLE, WORKER_VARIABLE
from airflow_ml_provider.runtime.errors import StageError, UserCodeError

RESTARTS = 10
"""How many workers that died are replaced."""
_GRACE_SECONDS = 2.0
_TAIL_LINES = 10
_LINE_LIMIT = 64 * 1024
_OUTPUT_SECONDS = 2.0


def is_local() -> bool:
    """Whether the stage starts its workers itself."""
    return LOCAL_VARIABLE in os.environ


@dataclass(frozen=True)
class _Worker:
    name: str
    process: subprocess.Popen[str]
    output: threading.Thread
    tail: deque[str]


class LocalWorkers:
    """Context manager: starts the workers, and ends those that are left.

    Args:
        request: The stage's request, which is the workers' too.
        count: How many.
        variables: Returns what makes a process the worker of an index, and may name it (``AIRFLOW_ML_WORKER``).
        may_leave: Whether the worker of a name may end well by now; by default each may.
    """

    def __init__(
        self,
        request: StageRequest,
        count: int,
        *,
        variables: Callable[[int], Mapping[str, str]],
        may_leave: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._request = request
        self._count = count
        self._variables = variables
        self._may_leave = may_leave
        self._workers: list[_Worker] = []
        self._restarts = 0

    def look(self, lost: Callable[[str, str], None]) -> StageError | None:
        """Replace workers that died; returns an error when they die again and again.

        Args:
            lost: Is called with the name of each and why it is gone.
        """
        for index, worker in enumerate(self._workers):
            code = worker.process.poll()
            if code is None or (code == 0 and self._may_leave(worker.name)):
                continue
            lost(worker.name, f"its worker died with exit code {code}")
            self._restarts += 1
            if self._restarts > RESTARTS:
                worker.output.join(_OUTPUT_SECONDS)
                tail = "".join(f"\n  | {line}" for line in worker.tail)
                last = f"; its last lines:{tail}" if tail else ""
                return UserCodeError(
                    f"{self._restarts} workers died, the last with exit code {code}{last}", type="WorkersDied"
                )
            self._workers[index] = self._started(index)
        return None

    def __enter__(self) -> LocalWorkers:
        self._workers = [self._started(index) for index in range(self._count)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            try:
                worker.process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            # What a trial left behind may hold the pipe open for ever.
            worker.output.join(_OUTPUT_SECONDS)

    def _started(self, index: int) -> _Worker:
        own = self._variables(index)
        environment = {**os.environ, REQUEST_VARIABLE: self._request.to_json(), **own}
        command = [sys.executable, "-P", "-m", "airflow_ml_provider.runtime"]
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        output = threading.Thread(target=_passed_on, args=(process.stdout, tail), daemon=True)
        output.start()
        return _Worker(own.get(WORKER_VARIABLE, str(index)), process, output, tail)


def _passed_on(stream: IO[str], tail: deque[str]) -> None:
    while line := stream.readline(_LINE_LIMIT):
        tail.append(line.rstrip("\r\n"))
        print(line, end="" if line.endswith("\n") else "\n", flush=True)
