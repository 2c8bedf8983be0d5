"""Closing the MLflow runs of a whole DagRun."""

from __future__ import annotations

import logging

from airflow.sdk import Context

from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.cleanup.leftovers import remove_left_pods
from airflow_ml_provider.configuration import ml_settings
from airflow_ml_provider.errors import MlflowUnavailableError
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.mlflow_api.client import MlflowClient
from airflow_ml_provider.tasks.run_context import identity_of
from airflow_ml_provider.tracking.stage_tracking import ROLE_TAG, child_states, known_parent

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
        _close(context, identity, parent, MlflowHook(mlflow_conn_id).get_conn())
    except MlflowUnavailableError as error:
        if settings.on_tracking_unavailable == "fail":
            raise
        log.warning("The MLflow run of this DagRun stays open: %s", error)


def _close(context: Context, identity: StageIdentity, parent: str, client: MlflowClient) -> None:
    experiment_id = str(client.get_run(parent)["info"]["experiment_id"])
    for run_id, status in child_states(client, experiment_id=experiment_id, parent=parent).items():
        for nested, state in child_states(client, experiment_id=experiment_id, parent=run_id).items():
            if state == "RUNNING":
                client.set_status(nested, "KILLED")
        if status == "RUNNING":
            log.warning("Run %s was left open by a task that died: it is closed as KILLED", run_id)
            client.set_status(run_id, "KILLED")
    # Trials lie below an attempt of their stage, which is deeper than the runs seen above.
    own = {ROLE_TAG: "trial", "airflow_ml.pipeline": identity.pipeline, "airflow_ml.dag_run": identity.dag_run}
    wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in own.items())
    for run in client.search_runs(
        experiment_id=experiment_id, filter_string=f"{wanted} and attributes.status = 'RUNNING'"
    ):
        client.set_status(str(run["info"]["run_id"]), "KILLED")
    states = context["ti"].get_task_states(dag_id=identity.pipeline, run_ids=[identity.dag_run])
    found = states.get(identity.dag_run, {})
    failed = sorted(name for name, state in found.items() if state in _FAILED_STATES)
    status = "FAILED" if failed else "FINISHED"
    client.set_status(parent, status)
    log.info("MLflow run of this DagRun: %s%s", status, f" ({', '.join(failed)} failed)" if failed else "")
