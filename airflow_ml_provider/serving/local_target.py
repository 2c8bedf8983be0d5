"""An endpoint on this machine: servers as processes, and one process that holds the port before them."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psutil

from airflow_ml_provider.decisions.serving.rollout import Revision, Serving, replicas_beside
from airflow_ml_provider.errors import NotServingError, ServingChangedError
from airflow_ml_provider.protocol.serving import metrics_port
from airflow_ml_provider.runners.stage_environment import stage_environment

HOST = "127.0.0.1"
_STATE, _SERVERS, _FRONT, _LOCK = "serving.json", "servers", "front.json", "lock"
_FRONT_SECONDS = 15.0
_PING_SECONDS = 5.0
_EXEC_SECONDS = 10.0
_TAIL = 10
_FOLDER_VARIABLE, _REVISION_VARIABLE = "AIRFLOW_ML_ENDPOINT_FOLDER", "AIRFLOW_ML_REVISION"


@dataclass(frozen=True)
class ServerCommand:
    """How a server is started.

    Attributes:
        arguments: The command line.
        environment: All its variables.
        folder: Its working directory.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str


class LocalTarget:
    """The endpoint of one name on this machine. Its processes outlive the task, and end with the machine.

    Args:
        folder: The endpoint's folder.
        port: Where it listens; 0 for a free port, which it keeps.
        command: Returns how a server is started that listens at a port.
    """

    def __init__(self, folder: Path, *, port: int, command: Callable[[Revision, int], ServerCommand]) -> None:
        self._folder = folder
        self._port = port
        self._command = command
        self._count = 0

    @property
    def url(self) -> str:
        """Where the endpoint is asked; with a free port not known before it listens."""
        found = self._front()
        return f"http://{HOST}:{self._port if found is None else found['port']}"

    def read(self) -> Serving:
        """Return what the folder says."""
        serving, self._count = self._look()
        return serving

    def _look(self) -> tuple[Serving, int]:
        path = self._folder / _STATE
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return Serving.from_plain(found["serving"]), int(found["count"])
        except FileNotFoundError:
            return Serving(), 0
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotServingError(
                f"{path} cannot be read ({type(error).__name__}): remove the folder, and what runs in it; the next "
                f"run of the serve stage makes it anew"
            ) from error

    def write(self, serving: Serving) -> None:
        """Replace what the folder says; with nothing to be served the endpoint ends.

        Raises:
            ServingChangedError: It is not any more what was read or written here last.
            NotServingError: The port is taken.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if self._look()[1] != self._count:
                raise ServingChangedError(
                    f"endpoint {self._folder.name!r}: another run changes what it serves; a retry looks anew"
                )
            if serving.stable is None and serving.candidate is None:
                (self._folder / _STATE).unlink(missing_ok=True)
                self._end_front()
                self._count = 0
                return
            self._count += 1
            text = json.dumps({"count": self._count, "serving": serving.to_plain()}, sort_keys=True)
            _replace(self._folder / _STATE, text)
            self._start_front()

    def start(self, revision: Revision, replicas: int) -> None:
        """Start servers until there are so many."""
        for path, server in self._servers(revision):
            if not self._lives(server):
                path.unlink(missing_ok=True)
        for _ in range(replicas - self.replicas(revision)):
            # Others may be loading their models still, and listen only then.
            promised = {
                port for _, server in self._all_servers() for port in (server["port"], metrics_port(server["port"]))
            }
            port = _free_port(promised)
            command = self._command(revision, port)
            name = f"{revision.name}-{port}"
            (self._folder / _SERVERS).mkdir(exist_ok=True)
            temporary = self._folder / "tmp"
            temporary.mkdir(exist_ok=True)
            # A task's own may go with it.
            mark = {"TMPDIR": str(temporary), _FOLDER_VARIABLE: str(self._folder), _REVISION_VARIABLE: revision.name}
            log = self._folder / _SERVERS / f"{name}.log"
            process = _started(replace(command, environment={**command.environment, **mark}), log)
            about = {"revision": revision.name, "port": port, "pid": process.pid}
            _replace(self._folder / _SERVERS / f"{name}.json", json.dumps(about))

    def replicas(self, revision: Revision) -> int:
        """Return how many servers of a revision there are."""
        return sum(self._lives(server) for _, server in self._servers(revision))

    def replicas_for(self, serving: Serving, percent: int, *, wanted: int) -> int:
        """Return how many new servers are as loaded as the old ones, with that part of the requests."""
        stable = 0 if serving.stable is None else self.replicas(serving.stable)
        return replicas_beside(stable, percent, wanted=wanted)

    def part(self, percent: int, *, new: int, old: int) -> float:
        """Return the percent of the requests that new servers get, whatever their number."""
        return percent

    def arrived(self, serving: Serving) -> bool:
        """Return true: what holds the port reads what is written at once."""
        return True

    def faults(self, revision: Revision) -> str:
        """Say which server of a revision has ended."""
        for path, server in self._servers(revision):
            if not self._lives(server):
                log = path.with_suffix(".log")
                lines = log.read_text(errors="replace").splitlines()[-_TAIL:] if log.is_file() else []
                return f"its process ended; the end of {log}:{''.join(f'{chr(10)}  | {line}' for line in lines)}"
        return ""

    def ready(self, revision: Revision) -> list[str]:
        """Return where the servers listen that say they are ready."""
        return [
            f"http://{HOST}:{server['port']}"
            for _, server in self._servers(revision)
            if self._lives(server) and _answers(server["port"])
        ]

    def waits(self, revision: Revision) -> str:
        """Return nothing: a process waits for nobody."""
        return ""

    def settle(self, revision: Revision, replicas: int) -> None:
        """End what there is more of than was asked for; see to it that the port is held."""
        for path, _ in self._servers(revision)[replicas:]:
            path.unlink(missing_ok=True)
        self.remove_others()
        with self._locked():
            self._start_front()

    def remove_others(self) -> None:
        """Tell the servers to end that have no place in what is served now; they answer what they have begun."""
        serving = self._look()[0]
        kept = {found.name for found in (serving.stable, serving.candidate) if found is not None}
        for path, server in self._all_servers():
            if server["revision"] not in kept:
                path.unlink(missing_ok=True)
        known = {server["pid"] for _, server in self._all_servers()}
        # Also those that were started by a task that was killed before it could say so.
        for process in psutil.process_iter(["environ"]):
            marked = process.info["environ"] or {}
            if marked.get(_FOLDER_VARIABLE) == str(self._folder) and process.pid not in known:
                with suppress(psutil.NoSuchProcess):
                    process.terminate()
        if not kept:
            for name in (_SERVERS, "tmp"):
                shutil.rmtree(self._folder / name, ignore_errors=True)

    def _servers(self, revision: Revision) -> list[tuple[Path, dict[str, Any]]]:
        return [(path, server) for path, server in self._all_servers() if server["revision"] == revision.name]

    def _all_servers(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for path in sorted((self._folder / _SERVERS).glob("*.json")):
            try:
                server = json.loads(path.read_text(encoding="utf-8"))
                known = {"revision": str(server["revision"]), "port": int(server["port"]), "pid": int(server["pid"])}
            except (OSError, ValueError, KeyError, TypeError):
                # One that cannot be read is none of ours.
                continue
            yield path, known

    def _lives(self, server: Mapping[str, Any]) -> bool:
        """Whether a server's process lives, and is not another one of its number."""
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            marked = _environment(psutil.Process(server["pid"]))
            return bool(marked.get(_FOLDER_VARIABLE) == str(self._folder))
        return False

    def _front(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self._folder / _FRONT).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found

    def _start_front(self) -> None:
        found = self._front()
        if self._front_process(found) is not None and self._port in (0, found["port"] if found else 0):
            return
        port = self._port or (found["port"] if found else 0)
        self._end_front()
        arguments = (sys.executable, "-P", "-m", "airflow_ml_provider.runtime.stages.serve.front")
        command = ServerCommand(
            (*arguments, str(self._folder), str(port)), stage_environment(os.environ), str(self._folder)
        )
        (self._folder / _FRONT).unlink(missing_ok=True)
        log = self._folder / "front.log"
        process = _started(command, log)
        deadline = time.monotonic() + _FRONT_SECONDS
        while (found := self._front()) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace").splitlines()[-1:]
                raise NotServingError(
                    f"endpoint {self._folder.name!r} cannot listen at port {port}: {' '.join(tail)}; free it, or say "
                    f"another port"
                )
            time.sleep(0.05)

    def _front_process(self, found: Mapping[str, Any] | None) -> psutil.Process | None:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(found["pid"]) if found is not None else None
            if process is not None and str(self._folder) in process.cmdline():
                return process
        return None

    def _end_front(self) -> None:
        process = self._front_process(self._front())
        (self._folder / _FRONT).unlink(missing_ok=True)
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.terminate()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _started(command: ServerCommand, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            command.arguments,
            env=dict(command.environment),
            cwd=command.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # It outlives the task.
            start_new_session=True,
        )


def _environment(process: psutil.Process) -> dict[str, str]:
    """Return the environment of a process, by which it is found: Linux shows none for the time of an exec.

    Raises:
        psutil.NoSuchProcess: It has ended.
    """
    deadline = process.create_time() + _EXEC_SECONDS
    found: dict[str, str] = process.environ()
    while not found and process.status() != psutil.STATUS_ZOMBIE and time.time() < deadline:
        time.sleep(0.01)
        found = process.environ()
    return found


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://{HOST}:{port}/ping", timeout=_PING_SECONDS, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _free_port(promised: Set[int] = frozenset()) -> int:
    """Return a port that is free, as is the one at which a server shows its counters."""
    while True:
        with socket.socket() as probe, socket.socket() as next_one:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
            if promised & {port, metrics_port(port)}:
                continue
            with suppress(OSError, OverflowError):
                next_one.bind((HOST, metrics_port(port)))
                return port


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
