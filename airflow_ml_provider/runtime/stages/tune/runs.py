"""One MLflow run a trial, below the stage's own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.stages.tune.records import TrialRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

AWAY_SECONDS = 30.0
"""How long a tracking server that failed is left alone."""
_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
_VALUE_LIMIT = 6000
"""Characters of a param that MLflow takes."""


class TrialRuns:
    """Opens and closes the runs; a tracking server that fails costs no trial, it is logged.

    Args:
        request: The stage; untracked, nothing happens.
    """

    def __init__(self, request: StageRequest) -> None:
        self._tracking = request.tracking
        self._tags = {
            "airflow_ml.role": "trial",
            "airflow_ml.pipeline": request.pipeline,
            "airflow_ml.dag_run": request.dag_run,
            "airflow_ml.stage": request.stage,
            "airflow_ml.kind": request.kind,
        }
        self._away_until = 0.0
        self._client: MlflowClient | None = None
        if self._tracking is not None:
            # A server that is away is not to hold up the trials: they are reported without it.
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
            from mlflow import MlflowClient

            self._client = MlflowClient(tracking_uri=self._tracking.uri)

    def begin(self, number: int, params: Mapping[str, Any]) -> str:
        """Open a trial's run and return its id, empty when there is none."""

        def create(client: MlflowClient) -> str:
            from mlflow.entities import Param

            assert self._tracking is not None
            tags = {**self._tags, "airflow_ml.trial": str(number), "mlflow.parentRunId": self._tracking.run_id}
            run = client.create_run(self._tracking.experiment_id, tags=tags, run_name=f"trial {number}")
            shown = [Param(name, _text(value)[:_VALUE_LIMIT]) for name, value in params.items()]
            client.log_batch(run.info.run_id, params=shown, synchronous=True)
            return str(run.info.run_id)

        return self._try(create, what=f"opening the run of trial {number}") or ""

    def end(self, record: TrialRecord) -> None:
        """Write what a trial measured, and close its run."""

        def close(client: MlflowClient) -> None:
            from mlflow.entities import Metric, RunTag

            # What the code logged by itself is not logged again.
            logged = client.get_run(record.run_id).data.metrics
            now = int(time.time() * 1000)
            metrics = [
                Metric(name, value, now, 0) for name, value in record.metrics.items() if logged.get(name) != value
            ]
            tags = [RunTag("airflow_ml.trial_state", record.state)]
            if record.message:
                tags.append(RunTag("airflow_ml.failure", record.message.partition("\n")[0][:500]))
            client.log_batch(record.run_id, metrics=metrics, tags=tags, synchronous=True)
            client.set_terminated(record.run_id, status=_STATUS[record.state])

        if record.run_id:
            self._try(close, what=f"closing the run of trial {record.number}")

    def kill(self, run_id: str) -> None:
        """Close the run of a trial that will never end."""
        if run_id:
            self._try(lambda client: client.set_terminated(run_id, status="KILLED"), what="closing a trial's run")

    def close_left(self) -> None:
        """Close what a study left open that was killed itself."""

        def close(client: MlflowClient) -> None:
            assert self._tracking is not None
            own = " and ".join(f"tags.`{key}` = '{value}'" for key, value in self._tags.items())
            wanted = f"{own} and attributes.status = 'RUNNING'"
            for run in client.search_runs([self._tracking.experiment_id], wanted, max_results=1000):
                client.set_terminated(run.info.run_id, status="KILLED")

        self._try(close, what="closing runs of an earlier attempt")

    def _try(self, call: Callable[[MlflowClient], Any], *, what: str) -> Any:
        if self._client is None or time.monotonic() < self._away_until:
            return None
        from mlflow.exceptions import MlflowException

        try:
            return call(self._client)
        except MlflowException as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            print(f"MLflow: {what} failed, it is left alone for {AWAY_SECONDS:.0f} s: {error.message}", flush=True)
            return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
