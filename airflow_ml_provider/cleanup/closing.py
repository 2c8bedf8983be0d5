"""Closing the MLflow runs of a whole DagRun."""

from __future__ import annotations

import logging

from airflow.sdk import Context

from airflow_ml_provider.cleanup.leftovers import remove_left_pods
from airflow_ml_provider.configuration import ml_settings
from airflow_ml_provider.errors import MlflowUnavailableError
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.tasks.run_context import identity_of
from airflow_ml_provider.tracking.run_closing import close_pipeline_run
from airflow_ml_provider.tracking.stage_tracking import known_parent

log = logging.getLogger(__name__)

_FAILED_STATES = {"failed", "upstream_failed"}


def close_runs(context: Context, *, mlflow_conn_id: str, store: str | None) -> None:
    """Remove pods that outlived their tasks; close the DagRun's MLflow run, and every run below it that was left open.

    Raises:
        MlflowUnavailableError: MLflow does not answer, and ``[ml] on_tracking_unavailable`` is ``fail``.
        MlflowError: MLflow refused the request.
    """
    remove_left_pods(context)
    settings = ml_settings(store=store)
    identity = identity_of(context, store=settings.store)
    parent = known_parent(identity)
    if parent is None:
        log.info("No stage opened an MLflow run: nothing to close")
        return
    try:
        states = context["ti"].get_task_states(dag_id=identity.pipeline, run_ids=[identity.dag_run])
        found = states.get(identity.dag_run, {})
        failed = sorted(name for name, state in found.items() if state in _FAILED_STATES)
        client = MlflowHook(mlflow_conn_id).get_conn()
        close_pipeline_run(client, identity, parent=parent, failed=failed)
    except MlflowUnavailableError as error:
        if settings.on_tracking_unavailable == "fail":
            raise
        log.warning("The MLflow run of this DagRun stays open: %s", error)
