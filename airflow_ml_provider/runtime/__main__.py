"""``python -m airflow_ml_provider.runtime``: run the stage that ``AIRFLOW_ML_REQUEST`` describes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.protocol.environment import REQUEST_VARIABLE, TERMINATION_VARIABLE
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import EXIT_CODES, StageResult
from airflow_ml_provider.protocol.termination import termination_message
from airflow_ml_provider.runtime.first_process import end_on_sigterm
from airflow_ml_provider.runtime.lifeline import hold_lifeline
from airflow_ml_provider.runtime.stage import run_stage


def main() -> int:
    """Run the stage and return the process's exit code."""
    hold_lifeline()
    end_on_sigterm()
    text = os.environ.pop(REQUEST_VARIABLE, None)
    termination_log = os.environ.pop(TERMINATION_VARIABLE, None)
    if text is None:
        print(f"{REQUEST_VARIABLE} is not set: a stage is started by its operator", file=sys.stderr)
        return EXIT_CODES["contract"]
    try:
        result = run_stage(StageRequest.from_json(text))
    except ProtocolError as error:
        print(error, file=sys.stderr)
        return EXIT_CODES["contract"]
    except StoreError as error:
        print(error, file=sys.stderr)
        return EXIT_CODES["store"]
    if termination_log is not None:
        Path(termination_log).write_text(termination_message(result), encoding="utf-8")
    return _exit_code(result)


def _exit_code(result: StageResult) -> int:
    if result.failure is None:
        return 0
    print(result.failure.traceback or result.failure.message, file=sys.stderr)
    return EXIT_CODES[result.failure.category]


if __name__ == "__main__":
    sys.exit(main())
