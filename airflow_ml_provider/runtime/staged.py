"""The three steps of a staged stage, each in a container of its own, with files between them.

What the user's container left is as hostile as the user's code is: it is checked as a command's files are.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.environment import REQUEST_VARIABLE
from airflow_ml_provider.protocol.metrics import DEFAULT_PARAMS, all_metrics
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.protocol.staged import CODE, COMMIT, FETCH, MAIN, RUNTIME, WORK
from airflow_ml_provider.runtime.code_outcome import command_outcome
from airflow_ml_provider.runtime.stage import attempt, call_stage_function, committed, write_result
from airflow_ml_provider.runtime.workspace import Workspace

_REQUEST = "request.json"
_STARTED = "started"


def run_step(step: str, *, root: Path) -> StageResult:
    """Run one step; only the result of the last one, or of one that failed, is the stage's.

    Args:
        step: ``fetch``, ``main`` (the user's function) or ``commit``.
        root: The folder that the steps share.

    Raises:
        ProtocolError: The request is not a request of this version.
        StoreUnavailableError: The result could not be written.
    """
    runtime = root / RUNTIME
    if step == FETCH:
        request = StageRequest.from_json(os.environ.pop(REQUEST_VARIABLE))
        (runtime / _REQUEST).write_text(request.to_json(), encoding="utf-8")
        (runtime / _STARTED).write_text(str(time.time()), encoding="utf-8")
    else:
        request = StageRequest.from_json((runtime / _REQUEST).read_text(encoding="utf-8"))
    started = float((runtime / _STARTED).read_text(encoding="utf-8"))
    workspace = Workspace(root / WORK, request)
    steps = {
        FETCH: lambda: _fetch(request, workspace),
        MAIN: lambda: _main(request, workspace),
        COMMIT: lambda: _commit(request, workspace, started),
    }
    result = attempt(request, steps[step], started=started)
    if step != MAIN and (step != FETCH or result.failure is not None):
        write_result(request, result)
    return result


def _fetch(request: StageRequest, workspace: Workspace) -> StageResult:
    workspace.fetch(ArtifactStore())
    root = workspace.result.parent
    # The user's container may run as anybody.
    (root / "outputs").chmod(0o777)
    if request.command and request.code is not None:
        shutil.move(workspace.folder, root / CODE)
    return StageResult(status="success", attempt=request.attempt)


def _main(request: StageRequest, workspace: Workspace) -> StageResult:
    workspace.enter()
    outcome = call_stage_function(request, workspace)
    written: dict[str, Any] = {"metrics": all_metrics(outcome.metrics, outcome.values)}
    if DEFAULT_PARAMS in outcome.values:
        written[DEFAULT_PARAMS] = outcome.values[DEFAULT_PARAMS]
    workspace.result.write_text(json.dumps(written), encoding="utf-8")
    return StageResult(status="success", attempt=request.attempt)


def _commit(request: StageRequest, workspace: Workspace, started: float) -> StageResult:
    return committed(request, workspace, command_outcome(request, workspace.result), started=started)
