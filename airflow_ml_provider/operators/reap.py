"""Reap: remove the pods and close the MLflow runs that tasks left behind."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_ml_provider.exceptions import raised_as_airflow
from airflow_ml_provider.tasks.checked_templates import CheckedTemplates

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.decisions.pods.leftover import Owner


class ReapOperator(CheckedTemplates, BaseOperator):
    """Removes the pods and closes the MLflow runs whose tasks are over; for a DAG of its own, on a schedule.

    Stages remove their pods themselves. What is left is what they could not reach: a cluster that was away, a worker
    that died in the wrong second.

    Args:
        namespace: The stages' namespace; default from ``[ml] namespace``.
        kubernetes_conn_id: The Kubernetes connection.
        mlflow_conn_id: The MLflow connection; ``None`` leaves runs alone.
        older_than: What is younger is left alone.
        report_only: Say in the log what would be removed, and remove nothing.
    """

    template_fields: Sequence[str] = ("namespace",)

    def __init__(
        self,
        *,
        namespace: str | None = None,
        kubernetes_conn_id: str = "kubernetes_default",
        mlflow_conn_id: str | None = "mlflow_default",
        older_than: timedelta = timedelta(minutes=10),
        report_only: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.namespace = namespace
        self.kubernetes_conn_id = kubernetes_conn_id
        self.mlflow_conn_id = mlflow_conn_id
        self.older_than = older_than
        self.report_only = report_only

    @raised_as_airflow()
    def execute(self, context: Context) -> int:
        """Remove what is left and return how much it was.

        Raises:
            StageConfigurationError: No namespace is given.
            ClusterError: Kubernetes refused or did not answer.
            MlflowError: MLflow refused or did not answer.
        """
        from airflow_ml_provider.cleanup.reaping import leftovers

        instance = context["ti"]

        def states(owner: Owner) -> Collection[str | None]:
            found: Mapping[str, Mapping[str, str | None]] = instance.get_task_states(
                dag_id=owner.dag_id,
                run_ids=[owner.run_id],
                task_ids=[owner.task_id] if owner.task_id else None,
                map_index=owner.map_index if owner.map_index >= 0 else None,
            )
            return list(found.get(owner.run_id, {}).values())

        count = 0
        for leftover in leftovers(
            states,
            namespace=self.namespace,
            kubernetes_conn_id=self.kubernetes_conn_id,
            mlflow_conn_id=self.mlflow_conn_id,
            older_than=self.older_than,
        ):
            count += 1
            self.log.warning("%s: %s%s", leftover.name, leftover.reason, "" if self.report_only else "; it is removed")
            if not self.report_only:
                leftover.remove()
        return count
