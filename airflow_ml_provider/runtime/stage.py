"""One attempt from request to result."""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.layout import RESULT, join
from airflow_ml_provider.artifacts.objects import create_or_match
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.environment import command_variables, tracking_variables
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.names import CHECKPOINTS
from airflow_ml_provider.protocol.plain_text import one_line, printable
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import StageFailure, StageResult
from airflow_ml_provider.protocol.secret_text import secrets_in, without_secrets
from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.checkpoints import forget_checkpoints, kept_checkpoints
from airflow_ml_provider.runtime.code_outcome import call_function, command_outcome
from airflow_ml_provider.runtime.command import run_command
from airflow_ml_provider.runtime.errors import StageError, UserCodeError, shortened
from airflow_ml_provider.runtime.function import load_function
from airflow_ml_provider.runtime.patience import patiently
from airflow_ml_provider.runtime.stages import fetch_body, load_body
from airflow_ml_provider.runtime.workspace import Workspace


def run_stage(request: StageRequest) -> StageResult:
    """Run one attempt and write its result, the last object of the attempt's directory.

    Raises:
        StoreUnavailableError: The result could not be written; nobody will see this attempt.
        AlreadyExistsError: Another process wrote this attempt's result.
    """
    started, before = time.time(), Path.cwd()
    os.environ.update(tracking_variables(request.tracking))
    with tempfile.TemporaryDirectory(prefix="airflow-ml-") as root:
        try:
            result = attempt(request, lambda: _whole(request, Path(root), started), started=started)
        finally:
            os.chdir(before)
    write_result(request, result)
    if result.failure is None:
        forget_checkpoints(request)
    return result


def attempt(request: StageRequest, work: Callable[[], StageResult], *, started: float) -> StageResult:
    """Return what the work returns, or a failed result that says why it did not."""
    try:
        return work()
    except StageError as error:
        failure = _failure(error)
    except StoreError as error:
        failure = StageFailure("store", type(error).__qualname__, str(error))
    except ProtocolError as error:
        failure = StageFailure("contract", "ProtocolError", str(error))
    # What a user's code says may have lines; what data and servers say may not.
    cleaned = printable if failure.category == "user_code" else partial(one_line, length=sys.maxsize)
    secrets = secrets_in(os.environ)
    failure = replace(
        failure,
        message=shortened(cleaned(without_secrets(failure.message, secrets))),
        traceback=without_secrets(failure.traceback, secrets),
    )
    return StageResult(status="failed", attempt=request.attempt, failure=failure, seconds=time.time() - started)


def write_result(request: StageRequest, result: StageResult) -> None:
    """Write a result where Airflow looks for it.

    Raises:
        StoreUnavailableError: The store does not answer.
        AlreadyExistsError: Another process wrote this attempt's result.
    """
    content = result.to_json().encode()
    patiently(lambda: create_or_match(join(request.attempt_uri, RESULT), content), what="Writing the result")


def committed(request: StageRequest, workspace: Workspace, outcome: BodyOutcome, *, started: float) -> StageResult:
    """Commit the outputs and return the result of an attempt that did its work."""
    outputs = workspace.commit(passed_through=dict(outcome.passed_through))
    result = StageResult(
        status="success",
        attempt=request.attempt,
        metrics=dict(outcome.metrics),
        outputs=outputs,
        values=dict(outcome.values),
        seconds=time.time() - started,
    )
    result.to_json()
    return result


def call_stage_function(request: StageRequest, workspace: Workspace) -> BodyOutcome:
    """Call the user's function with the stage's inputs, outputs and folder of checkpoints.

    Raises:
        ContractError: It does not exist, its arguments are others, or a metric cannot be kept and is to be.
        UserCodeError: It raised.
    """
    function = load_function(str(request.run))
    kept = {}
    if request.checkpoints is not None and CHECKPOINTS in inspect.signature(function).parameters:
        kept[CHECKPOINTS] = workspace.checkpoints
    return call_function(request, function, inputs={**workspace.inputs, **kept}, outputs=workspace.outputs)


def _whole(request: StageRequest, root: Path, started: float) -> StageResult:
    store = ArtifactStore()
    workspace = Workspace(root, request)
    workspace.fetch(store)
    workspace.enter()
    with kept_checkpoints(request, workspace.checkpoints):
        return committed(request, workspace, _execute(request, workspace, store), started=started)


def _execute(request: StageRequest, workspace: Workspace, store: ArtifactStore) -> BodyOutcome:
    if request.body is not None:
        fetch_body(request, workspace.root)
        context = BodyContext(request=request, inputs=workspace.inputs, outputs=workspace.outputs, store=store)
        return load_body(request.body)(context)
    if request.run is not None:
        return call_stage_function(request, workspace)
    variables = command_variables(
        inputs={name: str(path) for name, path in workspace.inputs.items()},
        outputs={name: str(path) for name, path in workspace.outputs.items()},
        params=request.params,
        result=str(workspace.result),
    )
    if request.checkpoints is not None:
        variables[f"AIRFLOW_ML_{CHECKPOINTS.upper()}"] = str(workspace.checkpoints)
    run_command(request.command, environment=variables, folder=workspace.folder)
    return command_outcome(request, workspace.result)


def _failure(error: StageError) -> StageFailure:
    if isinstance(error, UserCodeError):
        return StageFailure(error.category, error.type, str(error), error.traceback, error.exit_code)
    return StageFailure(error.category, type(error).__qualname__, str(error))
