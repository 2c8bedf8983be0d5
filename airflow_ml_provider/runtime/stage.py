"""One attempt from request to result."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.layout import RESULT, join
from airflow_ml_provider.artifacts.objects import create_or_match
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.request import StageRequest, Tracking
from airflow_ml_provider.protocol.result import StageFailure, StageResult
from airflow_ml_provider.runtime.binding import bind
from airflow_ml_provider.runtime.command import command_environment, run_command
from airflow_ml_provider.runtime.errors import StageError, UserCodeError
from airflow_ml_provider.runtime.function import call, load_function
from airflow_ml_provider.runtime.metrics import as_metrics
from airflow_ml_provider.runtime.stages import BodyContext, BodyOutcome, load_body
from airflow_ml_provider.runtime.workspace import Workspace

MESSAGE_LIMIT = 4_000
"""Characters of a failure's message that travel in the result."""


def run_stage(request: StageRequest) -> StageResult:
    """Run one attempt and write its result, the last object of the attempt's directory.

    Raises:
        StoreUnavailableError: The result could not be written; nobody will see this attempt.
        AlreadyExistsError: Another process wrote this attempt's result.
    """
    started = time.monotonic()
    store = ArtifactStore()
    set_tracking(request.tracking)
    with tempfile.TemporaryDirectory(prefix="airflow-ml-") as root:
        before = Path.cwd()
        try:
            result = _attempt(request, store, Path(root), started)
        except StageError as error:
            result = _failed(request, _failure(error), started)
        except StoreError as error:
            result = _failed(request, StageFailure("store", type(error).__qualname__, str(error)), started)
        except ProtocolError as error:
            result = _failed(request, StageFailure("contract", "ProtocolError", str(error)), started)
        finally:
            os.chdir(before)
    create_or_match(join(request.attempt_uri, RESULT), result.to_json().encode())
    return result


def set_tracking(tracking: Tracking | None) -> None:
    """Let ``import mlflow`` in user code log to the run of this attempt."""
    if tracking is not None:
        os.environ["MLFLOW_TRACKING_URI"] = tracking.uri
        os.environ["MLFLOW_EXPERIMENT_ID"] = tracking.experiment_id
        os.environ["MLFLOW_RUN_ID"] = tracking.run_id


def _attempt(request: StageRequest, store: ArtifactStore, root: Path, started: float) -> StageResult:
    workspace = Workspace(root, request, store)
    workspace.prepare()
    os.chdir(workspace.folder)
    outcome = _execute(request, workspace, store)
    outputs = workspace.commit(passed_through=dict(outcome.passed_through))
    result = StageResult(
        status="success",
        attempt=request.attempt,
        metrics=dict(outcome.metrics),
        outputs=outputs,
        values=dict(outcome.values),
        seconds=time.monotonic() - started,
    )
    result.to_json()
    return result


def _execute(request: StageRequest, workspace: Workspace, store: ArtifactStore) -> BodyOutcome:
    if request.body is not None:
        context = BodyContext(request=request, inputs=workspace.inputs, outputs=workspace.outputs, store=store)
        return load_body(request.body)(context)
    return BodyOutcome(metrics=_user_metrics(request, workspace))


def _user_metrics(request: StageRequest, workspace: Workspace) -> Mapping[str, float]:
    if request.run is None:
        environment = command_environment(
            inputs=workspace.inputs,
            outputs=workspace.outputs,
            params=request.params,
            result=workspace.result,
        )
        return run_command(request.command, environment=environment, folder=workspace.folder, result=workspace.result)
    function = load_function(request.run)
    arguments = bind(
        function,
        inputs=workspace.inputs,
        outputs=workspace.outputs,
        params=request.params,
        name=request.run,
    )
    return as_metrics(call(function, arguments, name=request.run), source=request.run)


def _failure(error: StageError) -> StageFailure:
    if isinstance(error, UserCodeError):
        return StageFailure(error.category, error.type, str(error), error.traceback)
    return StageFailure(error.category, type(error).__qualname__, str(error))


def _failed(request: StageRequest, failure: StageFailure, started: float) -> StageResult:
    failure = replace(failure, message=failure.message[:MESSAGE_LIMIT])
    return StageResult(status="failed", attempt=request.attempt, failure=failure, seconds=time.monotonic() - started)
