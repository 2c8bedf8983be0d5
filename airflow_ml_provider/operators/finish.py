"""Finish: close the DagRun's MLflow run, and every stage's run that was left open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, TriggerRule

from airflow_ml_provider.exceptions import raised_as_airflow

if TYPE_CHECKING:
    from airflow.sdk import Context

RETRIES, RETRY_DELAY = 5, timedelta(seconds=20)


class FinishOperator(BaseOperator):
    """The last task of a pipeline; as a teardown it runs whatever happened and never changes the run's state.

    Args:
        mlflow_conn_id: The MLflow connection.
        store: URI of the artifact store; default from ``[ml] store``.
    """

    template_fields: Sequence[str] = ()
    closes_mlflow_runs: ClassVar[bool] = True
    """Whether stages of its DAG leave closing the DagRun's MLflow run to it."""

    def __init__(self, *, mlflow_conn_id: str = "mlflow_default", store: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("trigger_rule", TriggerRule.ALL_DONE)
        kwargs.setdefault("retries", RETRIES)
        kwargs.setdefault("retry_delay", RETRY_DELAY)
        super().__init__(**kwargs)
        self.mlflow_conn_id = mlflow_conn_id
        self.store = store

    @raised_as_airflow()
    def execute(self, context: Context) -> None:
        """Close what is open.

        Raises:
            MlflowUnavailableError: MLflow does not answer, and ``[ml] on_tracking_unavailable`` is ``fail``.
            MlflowError: MLflow refused the request.
        """
        # Not imported with the module: parsing a DAG needs nothing of what running it needs.
        from airflow_ml_provider.cleanup.closing import close_runs

        close_runs(context, mlflow_conn_id=self.mlflow_conn_id, store=self.store)
