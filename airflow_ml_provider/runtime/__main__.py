"""``python -m airflow_ml_provider.runtime``: run the stage that ``AIRFLOW_ML_REQUEST`` describes, or a step of it."""

from __future__ import annotations

import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.protocol.batch import BATCH_WORKER
from airflow_ml_provider.protocol.environment import (
    ISOLATED_VARIABLE,
    LIFELINE_VARIABLE,
    REQUEST_VARIABLE,
    TERMINATION_VARIABLE,
)
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import EXIT_CODES, FailureCategory, StageFailure, StageResult
from airflow_ml_provider.protocol.serving import SERVER
from airflow_ml_provider.protocol.staged import COMMIT, ROOT_VARIABLE, STEP_VARIABLE
from airflow_ml_provider.protocol.termination import failure_message, termination_message
from airflow_ml_provider.protocol.tune import WORKER
from airflow_ml_provider.runtime.first_process import end_on_sigterm
from airflow_ml_provider.runtime.stage import run_stage

_BESIDE = {WORKER: "tune.worker", SERVER: "serve.server", BATCH_WORKER: "batch_predict.worker"}


def main() -> int:
    """Run the stage and return the process's exit code."""
    _begin_on_this_machine()
    end_on_sigterm()
    step = os.environ.pop(STEP_VARIABLE, None)
    root = os.environ.pop(ROOT_VARIABLE, None)
    termination_log = os.environ.pop(TERMINATION_VARIABLE, None)
    if step is None and REQUEST_VARIABLE not in os.environ:
        print(f"{REQUEST_VARIABLE} is not set: a stage is started by its operator", file=sys.stderr)
        return EXIT_CODES["contract"]
    try:
        if step in _BESIDE:
            return _run_beside(step, StageRequest.from_json(os.environ.pop(REQUEST_VARIABLE)))
        if step is None or root is None:
            result = run_stage(StageRequest.from_json(os.environ.pop(REQUEST_VARIABLE)))
        else:
            from airflow_ml_provider.runtime.staged import run_step

            result = run_step(step, root=Path(root))
    except ProtocolError as error:
        result, whole = _unwritten("contract", error), False
    except (StoreError, OSError) as error:
        result, whole = _unwritten("store", error), False
    else:
        # The last container's result is the stage's, and lies in the store; another's failure is known here alone.
        whole = step in (None, COMMIT)
    if termination_log is not None and (whole or result.failure is not None):
        message = termination_message(result) if whole else failure_message(result)
        Path(termination_log).write_text(message, encoding="utf-8")
    return _exit_code(result)


def _begin_on_this_machine() -> None:
    # Pods are sent neither module.
    if LIFELINE_VARIABLE in os.environ:
        from airflow_ml_provider.runtime.lifeline import hold_lifeline

        hold_lifeline()
    if os.environ.pop(ISOLATED_VARIABLE, None):
        from airflow_ml_provider.runtime.isolation import isolate_or_say

        isolate_or_say()


def _run_beside(step: str, request: StageRequest) -> int:
    """Run what works next to a stage's own process, and leaves no result."""
    from airflow_ml_provider.runtime.stages import fetch_body

    with tempfile.TemporaryDirectory(prefix="airflow-ml-body-") as folder:
        fetch_body(request, Path(folder))
        exit_code: int = import_module(f"airflow_ml_provider.runtime.stages.{_BESIDE[step]}").work(request)
        return exit_code


def _unwritten(category: FailureCategory, error: Exception) -> StageResult:
    """Return the result of an attempt that could not even say so in the store."""
    return StageResult(
        status="failed", attempt="", failure=StageFailure(category, type(error).__qualname__, str(error))
    )


def _exit_code(result: StageResult) -> int:
    if result.failure is None:
        return 0
    print(result.failure.traceback or result.failure.message, file=sys.stderr)
    return result.failure.exit_code or EXIT_CODES[result.failure.category]


if __name__ == "__main__":
    sys.exit(main())
