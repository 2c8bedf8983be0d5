"""A worker: fetches what the stage works with once, then runs trials until there are no more."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.environment import tracking_variables
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import EXIT_CODES
from airflow_ml_provider.runtime.body import BodyOutcome
from airflow_ml_provider.runtime.errors import ContractError, StageError, UserCodeError, shortened
from airflow_ml_provider.runtime.first_process import SIGTERM_EXIT_CODE, StopRequest
from airflow_ml_provider.runtime.function import load_function
from airflow_ml_provider.runtime.stages.tune.client import StudyAnswerError, StudyClient, StudyGoneError
from airflow_ml_provider.runtime.stages.tune.trial import Process, Trial, descendants
from airflow_ml_provider.runtime.workspace import Workspace

BEAT_SECONDS = 5.0
VALUES_AT_ONCE = 1000
_GRACE_SECONDS = 5.0
_TICK_SECONDS = 0.05


def work(request: StageRequest) -> int:
    """Run trials of the study of this attempt; returns the exit code.

    It is 0 when the study is over, and only then: Kubernetes replaces no worker any more once one has ended well.
    """
    stop_request = StopRequest()
    os.environ.update(tracking_variables(request.tracking))
    study = StudyClient(request.attempt_uri)
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="airflow-ml-worker-") as root:
        try:
            study.find()
            with stop_request, _saying_why(study):
                _run_trials(request, study, Path(root), stop_request)
        except StudyGoneError as error:
            return _gone(study, error)
        except StudyAnswerError as error:
            print(error, file=sys.stderr, flush=True)
            return EXIT_CODES["contract"]
        except StoreError as error:
            print(error, file=sys.stderr)
            return EXIT_CODES["store"]
        finally:
            os.chdir(before)
    return 0


def _gone(study: StudyClient, error: StudyGoneError) -> int:
    try:
        over = study.is_over()
    except StoreError as away:
        print(away, file=sys.stderr, flush=True)
        return EXIT_CODES["store"]
    if not over:
        print(error, file=sys.stderr, flush=True)
    return 0 if over else EXIT_CODES["contract"]


@contextmanager
def _saying_why(study: StudyClient) -> Iterator[None]:
    """Let the study, whose log people read, know what this worker died of."""
    try:
        yield
    except (StudyGoneError, StoreError):
        # The study sees that it is silent; the store's errors are for the next worker.
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        with suppress(StudyGoneError, StudyAnswerError, StoreError):
            study.call("leave", why=shortened(why))
        raise


def _run_trials(request: StageRequest, study: StudyClient, root: Path, stop_request: StopRequest) -> None:
    workspace = Workspace(root, request)
    try:
        workspace.fetch(ArtifactStore())
        workspace.enter()
        function = None if request.run is None else load_function(request.run)
    except StageError as error:
        message, traceback = shortened(str(error)), getattr(error, "traceback", "")
        study.call("fail", category=error.category, message=message, traceback=traceback)
        return
    while True:
        _leave_if(stop_request)
        asked = study.call("ask")
        if asked.get("done"):
            return
        if "trial" not in asked:
            continue
        with tempfile.TemporaryDirectory(prefix=f"trial-{asked['trial']}-", dir=root) as folder:
            trial = Trial(request, function, inputs=workspace.inputs, folder=Path(folder), code=workspace.folder)
            number: int = asked["trial"]
            try:
                process = trial.start(asked["params"], run_id=asked["run_id"])
                with _ending_it(process, study, number):
                    stopped = _followed(trial, process, study, number, stop_request)
                    if stopped == "stop":
                        continue
                    found = trial.metrics(process.poll() or 0) if not stopped else BodyOutcome()
            except ContractError as error:
                study.call("fail", category=error.category, message=shortened(str(error)))
                return
            except UserCodeError as error:
                message = f"{shortened(str(error))}\n{error.traceback}".rstrip()
                study.call("tell", trial=number, state="failed", metrics={}, message=message)
                continue
            state = "pruned" if stopped else "complete"
            metrics, values = dict(found.metrics), dict(found.values)
            study.call("tell", trial=number, state=state, metrics=metrics, values=values, message="")


def _followed(trial: Trial, process: Process, study: StudyClient, number: int, stop_request: StopRequest) -> str:
    """Wait for the trial's end, telling what it reports; returns ``prune`` or ``stop`` when it was stopped."""
    beat = time.monotonic()
    while process.poll() is None:
        _leave_if(stop_request)
        time.sleep(_TICK_SECONDS)
        values = list(trial.reported())
        if not values and time.monotonic() - beat < BEAT_SECONDS:
            continue
        beat = time.monotonic()
        answer = _report(study, number, values)
        if answer.get("prune") or answer.get("stop"):
            _end(process)
            return "prune" if answer.get("prune") else "stop"
    if values := list(trial.reported()):
        _report(study, number, values)
    return ""


def _report(study: StudyClient, number: int, values: list[tuple[int, float]]) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for start in range(0, max(1, len(values)), VALUES_AT_ONCE):
        answer = study.call("report", trial=number, values=values[start : start + VALUES_AT_ONCE])
    return answer


def _end(process: Process) -> None:
    below = descendants(process.pid)
    process.terminate()
    _signal_all(below, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(_TICK_SECONDS)
    _signal_all(below, signal.SIGKILL)


def _signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def _ending_it(process: Process, study: StudyClient, number: int) -> Iterator[None]:
    """End the trial when the worker leaves before; the study gives it to another."""
    try:
        yield
    except SystemExit:
        _end(process)
        study.call("lose", trial=number, why="its worker received SIGTERM")
        raise
    except StudyGoneError:
        _end(process)
        raise


def _leave_if(stop_request: StopRequest) -> None:
    if stop_request:
        sys.exit(SIGTERM_EXIT_CODE)
