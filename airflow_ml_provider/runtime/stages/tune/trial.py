"""One trial in a process of its own: a crash or a stop ends it alone, and the worker stays warm."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, Protocol

from airflow_ml_provider.protocol.environment import command_variables
from airflow_ml_provider.protocol.metrics import DEFAULT_PARAMS
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.tune import REPORT_ARGUMENT, REPORT_VARIABLE
from airflow_ml_provider.runtime.binding import bind, default_params
from airflow_ml_provider.runtime.body import BodyOutcome
from airflow_ml_provider.runtime.code_outcome import command_outcome, is_strict
from airflow_ml_provider.runtime.command import how_it_ended
from airflow_ml_provider.runtime.errors import ContractError, UserCodeError
from airflow_ml_provider.runtime.function import call
from airflow_ml_provider.runtime.metrics import as_metrics

_FAILURE = "failure.json"


def descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and theirs."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError, IndexError):
            # The name, in parentheses, may hold anything.
            parent = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


class Process(Protocol):
    """What of a process a worker needs."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; ``None`` while it runs."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""


class Trial:
    """Runs the stage's code with a trial's params in a folder that goes with it.

    Args:
        request: The stage.
        function: Its function, ``None`` when it is a command.
        inputs: Local paths.
        folder: The trial's own.
        code: Where a command starts.
    """

    def __init__(
        self,
        request: StageRequest,
        function: Callable[..., Any] | None,
        *,
        inputs: Mapping[str, Path],
        folder: Path,
        code: Path,
    ) -> None:
        self._request = request
        self._function = function
        self._inputs = inputs
        self._folder = folder
        self._code = code
        self._report = folder / "report"
        self._result = folder / "result.json"
        self._read = 0

    def start(self, params: Mapping[str, Any], *, run_id: str) -> Process:
        """Begin.

        Raises:
            ContractError: The command cannot be started.
        """
        (self._folder / "outputs").mkdir()
        outputs = {name: self._folder / "outputs" / name for name in self._request.options["outputs"]}
        # Without a run of its own a trial logs to none: all would write to the stage's.
        environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_RUN_ID"}
        environment |= {REPORT_VARIABLE: str(self._report)} | ({"MLFLOW_RUN_ID": run_id} if run_id else {})
        given = {**self._request.params, **params}
        if self._function is not None:
            return _Forked(lambda: self._call(given, outputs, environment))
        variables = command_variables(
            inputs={name: str(path) for name, path in self._inputs.items()},
            outputs={name: str(path) for name, path in outputs.items()},
            params=given,
            result=str(self._result),
        )
        command = self._request.command
        try:
            return subprocess.Popen(command, cwd=self._code, env={**environment, **variables})
        except (FileNotFoundError, PermissionError) as error:
            raise ContractError(f"command {command[0]!r} cannot be started: {error.strerror}") from error

    def reported(self) -> Iterator[tuple[int, float]]:
        """Return the intermediate values that came since the last call; lines that are none are left out."""
        if not self._report.exists():
            return
        with self._report.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                step, _, value = line.decode(errors="replace").strip().partition(" ")
                try:
                    number, found = int(step), float(value)
                    if number < 0:
                        raise ValueError(number)
                except ValueError:
                    print(f"{REPORT_VARIABLE}: {line[:80]!r} is not a line 'STEP VALUE'", file=sys.stderr, flush=True)
                    continue
                yield number, found

    def metrics(self, code: int) -> BodyOutcome:
        """Return what the trial measured, and the params that its code took by default.

        Raises:
            ContractError: The code does not take what it is handed: no trial can succeed.
            UserCodeError: The trial failed.
        """
        failure = self._folder / _FAILURE
        if failure.exists():
            failed = json.loads(failure.read_text(encoding="utf-8"))
            if failed["contract"]:
                raise ContractError(failed["message"])
            raise UserCodeError(failed["message"], type=failed["type"], traceback=failed["traceback"])
        if code != 0:
            raise UserCodeError(f"the trial's process {how_it_ended(code)}", type="TrialDied")
        if self._function is not None:
            found = json.loads(self._result.read_text(encoding="utf-8"))
            return BodyOutcome(found["metrics"], found["values"])
        try:
            return command_outcome(self._request, self._result)
        except ContractError as error:
            raise UserCodeError(str(error), type="ContractError") from error

    def _call(self, given: Mapping[str, Any], outputs: Mapping[str, Path], environment: Mapping[str, str]) -> None:
        assert self._function is not None
        os.environ.clear()
        os.environ.update(environment)
        failed: dict[str, Any] = {"contract": False, "traceback": ""}
        name = str(self._request.run)
        try:
            parameters = inspect.signature(self._function).parameters
            takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
            written = {key: path for key, path in outputs.items() if takes_any or key in parameters}
            try:
                arguments = bind(self._function, inputs=self._inputs, outputs=written, params=given, name=name)
            except ContractError:
                failed["contract"] = True
                raise
            if REPORT_ARGUMENT in parameters and REPORT_ARGUMENT not in arguments:
                arguments[REPORT_ARGUMENT] = self._report_line
            returned = call(self._function, arguments, name=name)
            found = as_metrics(returned, source=name, strict=is_strict(self._request))
            defaults = default_params(self._function, arguments)
        except UserCodeError as error:
            failed |= {"message": str(error), "type": error.type, "traceback": error.traceback}
        except ContractError as error:
            failed |= {"message": str(error), "type": "ContractError"}
        else:
            values = {**found.values, **({DEFAULT_PARAMS: defaults} if defaults else {})}
            self._result.write_text(json.dumps({"metrics": found.kept, "values": values}), encoding="utf-8")
            return
        (self._folder / _FAILURE).write_text(json.dumps(failed), encoding="utf-8")

    def _report_line(self, step: int, value: float) -> None:
        with self._report.open("a", encoding="utf-8") as file:
            file.write(f"{int(step)} {float(value)}\n")


class _Forked:
    """A child that has all that this process has loaded."""

    def __init__(self, work: Callable[[], None]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        self._code: int | None = None
        if self.pid == 0:
            _be_child(work)

    def poll(self) -> int | None:
        """Return the exit code."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def _be_child(work: Callable[[], None]) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - nothing of this process may run on in the child
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
