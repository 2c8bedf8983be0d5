"""A server as a child process: started, awaited with a deadline, ended whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import psutil


class ServerError(RuntimeError):
    """A server did not start or ended early; the message holds the end of its log."""


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """One server in a session of its own, its output in a file.

    Args:
        name: For messages.
        command: What to start.
        environment: Variables next to those of this process.
        log: The file that its output goes to.
        stop_signal: What asks it to end.
    """

    def __init__(
        self,
        *,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until ``ready`` returns true; a refused connection counts as not yet.

        Raises:
            ServerError: The process ended, or the time is up.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise ServerError(f"{self.name} ended while it started; the end of {self.log}:\n{self.tail()}")
            try:
                if ready():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise ServerError(f"{self.name} was not ready within {seconds:.0f} s; the end of {self.log}:\n{self.tail()}")

    def stop(self, *, seconds: float = 20) -> None:
        """Ask the server to end, then end all that it started."""
        process = self._process
        if process is None:
            return
        descendants: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            descendants = psutil.Process(process.pid).children(recursive=True)
        try:
            if process.poll() is None:
                process.send_signal(self._stop_signal)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # Airflow's tasks lead process groups of their own.
            for descendant in descendants:
                with suppress(psutil.NoSuchProcess):
                    descendant.kill()
            process.wait()
            self._process = None

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
