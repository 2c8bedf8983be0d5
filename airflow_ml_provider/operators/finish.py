"""Finish: close the DagRun's MLflow run, and every stage's run that was left open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TriggerRule

from airflow_ml_provider.exceptions import MlflowUnavailableError
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.operators.identity import StageIdentity
from airflow_ml_provider.operators.settings import MlSettings
from airflow_ml_provider.operators.tracking import child_states, known_parent

if TYPE_CHECKING:
    from airflow.sdk import Context

RETRIES, RETRY_DELAY = 5, timedelta(seconds=20)

_FAILED_STATES = {"failed", "upstream_failed"}


class FinishOperator(BaseOperator):
    """The last task of a pipeline; as a teardown it runs whatever happened and never changes the run's state.

    Args:
        mlflow_conn_id: The MLflow connection.
        store: URI of the artifact store; default from ``[ml] store``.
    """

    template_fields: Sequence[str] = ()

    def __init__(
        self, *, mlflow_conn_id: str = MlflowHook.default_conn_name, store: str | None = None, **kwargs: Any
    ) -> None:
        kwargs.setdefault("trigger_rule", TriggerRule.ALL_DONE)
        kwargs.setdefault("retries", RETRIES)
        kwargs.setdefault("retry_delay", RETRY_DELAY)
        super().__init__(**kwargs)
        self.mlflow_conn_id = mlflow_conn_id
        self.store = store

    def execute(self, context: Context) -> None:
        """Close what is open.

        Raises:
            MlflowUnavailableError: MLflow does not answer, and ``[ml] on_tracking_unavailable`` is ``fail``.
            MlflowError: MLflow refused the request.
        """
        settings = MlSettings.read(store=self.store, runner=None)
        identity = StageIdentity.of(context, store=settings.store)
        parent = known_parent(identity)
        if parent is None:
            self.log.info("No stage opened an MLflow run: nothing to close")
            return
        try:
            self._close(context, identity, parent)
        except MlflowUnavailableError as error:
            if settings.on_tracking_unavailable == "fail":
                raise
            self.log.warning("The MLflow run of this DagRun stays open: %s", error)

    def _close(self, context: Context, identity: StageIdentity, parent: str) -> None:
        hook = MlflowHook(self.mlflow_conn_id)
        experiment_id = str(hook.get_run(parent)["info"]["experiment_id"])
        for run_id, status in child_states(hook, experiment_id=experiment_id, parent=parent).items():
            for nested, state in child_states(hook, experiment_id=experiment_id, parent=run_id).items():
                if state == "RUNNING":
                    hook.set_status(nested, "KILLED")
            if status == "RUNNING":
                self.log.warning("Run %s was left open by a task that died: it is closed as KILLED", run_id)
                hook.set_status(run_id, "KILLED")
        states = context["ti"].get_task_states(dag_id=identity.pipeline, run_ids=[identity.dag_run])
        found = states.get(identity.dag_run, {})
        failed = sorted(name for name, state in found.items() if state in _FAILED_STATES)
        status = "FAILED" if failed else "FINISHED"
        hook.set_status(parent, status)
        self.log.info("MLflow run of this DagRun: %s%s", status, f" ({', '.join(failed)} failed)" if failed else "")
