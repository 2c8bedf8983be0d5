"""A stage's work inside its MLflow run: opened before, closed after, whatever happens in between."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from airflow_ml_provider.attempts.run_context import RunContext
from airflow_ml_provider.attempts.stage_runs import StageRuns
from airflow_ml_provider.errors import (
    MlflowAuthorizationError,
    MlflowError,
    MlflowUnavailableError,
    StageKilledError,
    StageSkippedError,
)
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.mlflow_api.client import MlflowClient
from airflow_ml_provider.protocol.request import Tracking
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.tracking.run_link import MLFLOW_RUN_URL
from airflow_ml_provider.tracking.stage_tracking import FAILURE_TAG, StageTracking

log = logging.getLogger(__name__)

MESSAGE_LIMIT = 500


class TrackedStage:
    """Context manager around the work of a stage; untracked, it does nothing.

    The run ends FINISHED when the block does, KILLED when an interrupt left it, FAILED on any other error; it stays
    open when the task is deferred.

    Attributes:
        runs: The stage's MLflow runs, ``None`` when it is untracked.
        tracking: What the request says about tracking, ``None`` when the stage is untracked.
        secrets: Variables that let the stage's process log in to MLflow.
    """

    def __init__(
        self, run: RunContext, *, client: MlflowClient | None, stage: StageTracking | None, runs: StageRuns | None
    ) -> None:
        self._run = run
        self._client = client
        self._stage = stage
        self.runs = runs
        self._result: StageResult | None = None
        self._hyperparameters: Mapping[str, Any] = {}
        self._more_tags: dict[str, str] = {}
        self.tracking: Tracking | None = None if stage is None or runs is None else stage.request_part(runs)
        self.secrets: dict[str, str] = {} if client is None else client.server.client_environment()

    @classmethod
    def open(cls, stage: Stage, run: RunContext, *, attempt_run: str | None) -> TrackedStage:
        """Open the runs of a stage and push the run's address.

        Args:
            stage: The stage.
            run: The task instance.
            attempt_run: The run of an earlier try whose result is taken, empty when that was untracked.

        Raises:
            MlflowUnavailableError: MLflow does not answer, and ``[ml] on_tracking_unavailable`` is ``fail``.
            MlflowAuthorizationError: MLflow refused the credentials.
            MlflowError: MLflow refused the request.
        """
        client = _client_of(stage, run)
        if client is None:
            return cls(run, client=None, stage=None, runs=None)
        tracking = _tracking_of(stage, run, client)
        try:
            runs = tracking.open(attempt_run=attempt_run)
        except MlflowUnavailableError as error:
            if stage.needs_tracking or run.settings.on_tracking_unavailable == "fail":
                raise
            log.warning("THIS STAGE RUNS UNTRACKED, nothing of it will be in MLflow: %s", error)
            return cls(run, client=None, stage=None, runs=None)
        tracked = cls(run, client=client, stage=tracking, runs=runs)
        tracked._push_address()
        return tracked

    @classmethod
    def resume(cls, stage: Stage, run: RunContext, *, runs: StageRuns | None) -> TrackedStage:
        """Take up the runs that an earlier part of the same try opened; nothing is asked of MLflow.

        Args:
            stage: The stage.
            run: The task instance.
            runs: The runs, ``None`` when the stage is untracked.
        """
        client = None if runs is None else _client_of(stage, run)
        if client is None:
            return cls(run, client=None, stage=None, runs=None)
        return cls(run, client=client, stage=_tracking_of(stage, run, client), runs=runs)

    def another(self, failure: str) -> None:
        """Go on with another attempt of the same try, in a run of its own.

        Args:
            failure: Why there is another one.
        """
        if self._stage is None or self.runs is None:
            return
        try:
            self.runs = self._stage.another(self.runs)
        except (MlflowError, MlflowAuthorizationError) as error:
            log.warning("The next attempt logs to the same MLflow run, which may show a step twice: %s", error)
            return
        self.tracking = self._stage.request_part(self.runs)
        self._push_address()
        try:
            self._stage.put_below(self.runs, failure=_line(failure))
        except (MlflowError, MlflowAuthorizationError) as error:
            log.warning("The MLflow run of the attempt that failed could not be closed: %s", error)

    def finish(self, result: StageResult, *, hyperparameters: Mapping[str, Any]) -> None:
        """Say what the stage made; it is logged when the block ends."""
        self._result = result
        self._hyperparameters = hyperparameters

    def tag(self, tags: Mapping[str, str]) -> None:
        """Add tags of the stage's run; they are written when the block ends."""
        self._more_tags |= {key: value[:MESSAGE_LIMIT] for key, value in tags.items()}

    def __enter__(self) -> TrackedStage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        if self._stage is None or self.runs is None or isinstance(error, self._run.suspensions):
            return
        interrupted = isinstance(error, StageKilledError) or not isinstance(
            error, (Exception, type(None), *self._run.timeouts)
        )
        skipped = isinstance(error, StageSkippedError)
        status = "FINISHED" if kind is None or skipped else "KILLED" if interrupted else "FAILED"
        try:
            self._stage.close(
                self.runs,
                status=status,
                result=self._result,
                hyperparameters=self._hyperparameters,
                tags=self._tags(None if skipped else error),
            )
            if not self._run.closes_mlflow_runs:
                self._stage.close_parent(self.runs)
        except (MlflowError, MlflowAuthorizationError) as closing:
            if kind is None:
                raise
            log.warning("The MLflow run could not be closed after the stage failed: %s", closing)

    def _tags(self, error: BaseException | None) -> dict[str, str]:
        tags = dict(self._more_tags)
        if self._result is not None:
            tags["airflow_ml.attempt"] = self._result.attempt
            for name, ref in self._result.outputs.items():
                tags[f"airflow_ml.output.{name}"] = ref.uri
                tags[f"airflow_ml.digest.{name}"] = ref.digest
        if error is not None:
            tags[FAILURE_TAG] = _line(str(error)) or type(error).__name__
        return tags

    def _push_address(self) -> None:
        assert self._client is not None
        assert self.runs is not None
        url = self._client.run_url(experiment_id=self.runs.experiment_id, run_id=self.runs.child)
        log.info("MLflow run %s", url)
        self._run.outputs.push(MLFLOW_RUN_URL, url)


def _line(message: str) -> str:
    return message.partition("\n")[0][:MESSAGE_LIMIT]


def _client_of(stage: Stage, run: RunContext) -> MlflowClient | None:
    return None if stage.mlflow_conn_id is None else MlflowClient(run.connections.mlflow(stage.mlflow_conn_id))


def _tracking_of(stage: Stage, run: RunContext, client: MlflowClient) -> StageTracking:
    return StageTracking(
        client=client,
        identity=run.identity,
        experiment=stage.experiment or run.identity.pipeline,
        kind=stage.kind,
        run_per_attempt=stage.run_per_attempt,
    )
