"""The workers of a stage that is a process: children of this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping

from airflow_ml_provider.protocol.environment import REQUEST_VARIABLE
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.tune import LOCAL_VARIABLE, WORKER_VARIABLE
from airflow_ml_provider.runtime.errors import StageError, UserCodeError

RESTARTS = 10
"""How many workers that died are replaced."""
_GRACE_SECONDS = 2.0


def is_local() -> bool:
    """Whether the stage starts its workers itself."""
    return LOCAL_VARIABLE in os.environ


class LocalWorkers:
    """Context manager: starts the workers, and ends those that are left.

    Args:
        request: The stage's request, which is the workers' too.
        count: How many.
        variables: Returns what makes a process the worker of an index, and may name it (``AIRFLOW_ML_WORKER``).
    """

    def __init__(self, request: StageRequest, count: int, *, variables: Callable[[int], Mapping[str, str]]) -> None:
        self._request = request
        self._count = count
        self._variables = variables
        self._processes: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._restarts = 0

    def look(self, lost: Callable[[str, str], None]) -> StageError | None:
        """Replace workers that died; returns an error when they die again and again.

        Args:
            lost: Is called with the name of each and why it is gone.
        """
        for index, (name, process) in enumerate(self._processes):
            code = process.poll()
            if code in (None, 0):
                continue
            lost(name, f"its worker died with exit code {code}")
            self._restarts += 1
            if self._restarts > RESTARTS:
                return UserCodeError(
                    f"{self._restarts} workers died, the last with exit code {code}", type="WorkersDied"
                )
            self._processes[index] = self._started(index)
        return None

    def __enter__(self) -> LocalWorkers:
        self._processes = [self._started(index) for index in range(self._count)]
        return self

    def __exit__(self, *_: object) -> None:
        for _name, process in self._processes:
            process.terminate()
        for _name, process in self._processes:
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _started(self, index: int) -> tuple[str, subprocess.Popen[bytes]]:
        own = self._variables(index)
        environment = {**os.environ, REQUEST_VARIABLE: self._request.to_json(), **own}
        command = [sys.executable, "-P", "-m", "airflow_ml_provider.runtime"]
        return own.get(WORKER_VARIABLE, str(index)), subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL
        )
