"""Running a command in any language through files and the environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_ml_provider.protocol.metrics import DEFAULT_PARAMS
from airflow_ml_provider.runtime.errors import ContractError, UserCodeError
from airflow_ml_provider.runtime.first_process import SIGTERM_EXIT_CODE, StopRequest
from airflow_ml_provider.runtime.metrics import Metrics, as_metrics

RESULT_FILE_LIMIT_BYTES = 256 * 1024
_LOOK_SECONDS = 0.1


def run_command(command: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> None:
    """Run a command to its end.

    Raises:
        ContractError: The program does not exist.
        UserCodeError: It ended with another exit code than 0.
        SystemExit: This process received SIGTERM, and the command with it.
    """
    stop_request = StopRequest()
    with stop_request:
        process = _started(command, environment=environment, folder=folder)
        code = _exit_code(process, stop_request)
    if stop_request:
        # Not the command's failure: whoever ended this process knows why.
        raise SystemExit(SIGTERM_EXIT_CODE)
    if code != 0:
        raise UserCodeError(
            f"command {command[0]!r} {how_it_ended(code)}",
            type="CommandFailed",
            exit_code=code if code > 0 else 128 - code,
        )


def how_it_ended(code: int) -> str:
    """Return what an exit code of :mod:`subprocess` says."""
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was killed by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"


def _started(command: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, cwd=folder, env={**os.environ, **environment})
    except (FileNotFoundError, PermissionError) as error:
        raise ContractError(
            f"command {command[0]!r} cannot be started: {error.strerror}; install it where the stage runs, or "
            f"ship it with 'code:' and start it by an interpreter"
        ) from error


def _exit_code(process: subprocess.Popen[bytes], stop_request: StopRequest) -> int:
    passed_on = False
    while True:
        if stop_request and not passed_on:
            passed_on = True
            process.terminate()
        try:
            return process.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def read_result_file(path: Path, *, strict: bool) -> tuple[Metrics, dict[str, Any]]:
    """Read ``{"metrics": {...}}`` from the file that a command may write.

    It may also hold ``default_params``, the params that the command took by itself.

    Args:
        path: The file.
        strict: Refuse metrics that cannot be kept as they are.

    Raises:
        ContractError: The file is too large, is not a JSON object, or has other keys; or ``strict``, and a metric
            cannot be kept.
    """
    if not path.exists():
        return Metrics(), {}
    source = "the command's result file ($AIRFLOW_ML_RESULT)"
    if path.stat().st_size > RESULT_FILE_LIMIT_BYTES:
        raise ContractError(f"{source} has {path.stat().st_size:,} bytes, {RESULT_FILE_LIMIT_BYTES:,} are allowed")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{source} is not JSON: {error}") from error
    if not isinstance(content, dict) or content.keys() - {"metrics", DEFAULT_PARAMS}:
        raise ContractError(f'{source} must be an object like {{"metrics": {{"rmse": 1.5}}}}, got {str(content)[:80]}')
    defaults = content.get(DEFAULT_PARAMS, {})
    if not isinstance(defaults, dict):
        raise ContractError(f"{source}: {DEFAULT_PARAMS} must be an object of params by name, got {str(defaults)[:80]}")
    return as_metrics(content.get("metrics"), source=source, strict=strict), defaults
