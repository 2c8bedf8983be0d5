"""One task instance of a stage: request, tracking, run, result, in that order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowFailException

from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.decisions.outcome import read_outcome
from airflow_ml_provider.exceptions import StageConfigurationError, StageFailedError, StageKilledError
from airflow_ml_provider.operators.delivery import find_undelivered, forget, remember
from airflow_ml_provider.operators.identity import StageIdentity
from airflow_ml_provider.operators.inputs import pack_code_folder, resolve_inputs
from airflow_ml_provider.operators.local_runner import LocalRunner
from airflow_ml_provider.operators.settings import MlSettings
from airflow_ml_provider.operators.tracked_stage import TrackedStage
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import StageResult

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.operators.stage import StageOperator


class StageExecution:
    """Runs one stage of an operator once: what :meth:`StageOperator.execute` does.

    Args:
        operator: The stage, its templates rendered.
        context: The task's context.
    """

    def __init__(self, operator: StageOperator, context: Context) -> None:
        self._operator = operator
        self._context = context
        self._settings = MlSettings.read(store=operator.store, runner=operator.runner)
        self._identity = StageIdentity.of(context, store=self._settings.store)
        self._runner = LocalRunner(operator.log)
        self._stopped = False

    def run(self) -> None:
        """Run the stage, push its outputs and metrics, close its MLflow run.

        Raises:
            StageConfigurationError: The stage does not fit its code; no retry.
            StageFailedError: The stage's process failed.
            MlflowUnavailableError: MLflow did not answer before the work began, or when it was closed.
        """
        operator, context = self._operator, self._context
        request = self._request()
        work = request.work_digest()
        undelivered = find_undelivered(context, work_digest=work)
        if operator.only_in_pods:
            operator.log.info("The local runner has no use for %s", ", ".join(operator.only_in_pods))
        tracked = TrackedStage.open(
            mlflow_conn_id=operator.mlflow_conn_id,
            experiment=operator.experiment or self._identity.pipeline,
            identity=self._identity,
            kind=operator.kind,
            settings=self._settings,
            context=context,
            needed=operator.needs_tracking,
            attempt_run=None if undelivered is None else undelivered.attempt_run,
        )
        with tracked:
            if undelivered is None:
                result = self._attempt(request, tracked, work)
            else:
                result = undelivered.result
                operator.log.info("Attempt %s finished but was not delivered: taking its result", result.attempt)
            self._push(result)
            tracked.finish(result, hyperparameters=operator.hyperparameters)
            try:
                branch = operator.accept(context, result)
            except AirflowFailException:
                # The result was delivered, and refused: a clear of this task runs anew.
                forget(context)
                raise
        forget(context)
        if branch is not None:
            operator.take_branch(context, branch)

    def stop(self) -> None:
        """End the stage's process; called from Airflow's signal handler."""
        self._stopped = True
        self._runner.stop()

    def _request(self) -> StageRequest:
        operator, identity, store = self._operator, self._identity, ArtifactStore()
        for name in ("inputs", "hyperparameters"):
            value = getattr(operator, name)
            if not isinstance(value, Mapping):
                raise StageConfigurationError(f"stage {operator.task_id!r}: {name} is {value!r}, not a mapping")
        try:
            request = StageRequest(
                kind=operator.kind,
                pipeline=identity.pipeline,
                stage=identity.stage,
                dag_run=identity.dag_run,
                map_index=identity.map_index,
                attempt="",
                attempt_uri="",
                run=operator.run or None,
                command=tuple(operator.command or ()),
                body=None if operator.run or operator.command else operator.body,
                params=operator.hyperparameters,
                options=operator.options(self._context, identity=identity, store=store),
                inputs=resolve_inputs(operator.inputs, store),
                outputs=operator.outputs,
                code=self._code(store),
            )
            request.to_json()
        except ProtocolError as error:
            raise StageConfigurationError(f"stage {operator.task_id!r}: {error}") from error
        return request

    def _code(self, store: ArtifactStore) -> ArtifactRef | None:
        if not self._operator.code:
            return None
        folder = Path(self._operator.path_beside(self._context, self._operator.code))
        return pack_code_folder(folder, store_uri=self._identity.store, store=store)

    def _attempt(self, request: StageRequest, tracked: TrackedStage, work: str) -> StageResult:
        if self._stopped:
            raise StageKilledError("the task was told to end before its stage began")
        identity, log = self._identity, self._operator.log
        attempt, uri = identity.claim_attempt()
        log.info("Stage %s (%s), attempt %s in %s", identity.label, request.kind, attempt, uri)
        exit_code, result = self._runner.run(
            replace(request, attempt=attempt, attempt_uri=uri, tracking=tracked.tracking),
            secrets=tracked.secrets,
        )
        if self._stopped:
            raise StageKilledError(f"the task was told to end, and its stage with it (exit code {exit_code})")
        outcome = read_outcome(exit_code, result)
        if outcome.verdict == "success":
            assert result is not None
            remember(self._context, attempt_uri=uri, work_digest=work, attempt_run=tracked.attempt_run)
            return result
        tail = "".join(f"\n  | {line}" for line in self._runner.tail)
        message = f"{outcome.message}{tail and chr(10) + 'Last lines of its log:' + tail}"
        if outcome.retry_helps:
            raise StageFailedError(message)
        raise StageConfigurationError(message)

    def _push(self, result: StageResult) -> None:
        if not self._operator.do_xcom_push:
            return
        instance = self._context["ti"]
        for name, ref in result.outputs.items():
            instance.xcom_push(key=name, value=ref.to_plain())
        for name, value in result.values.items():
            instance.xcom_push(key=name, value=value)
        instance.xcom_push(key="metrics", value=dict(result.metrics))
