"""Closing the MLflow runs of a whole DagRun."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.mlflow_api.client import MlflowClient
from airflow_ml_provider.tracking.stage_tracking import ROLE_TAG, child_states

log = logging.getLogger(__name__)


def close_pipeline_run(client: MlflowClient, identity: StageIdentity, *, parent: str, failed: Sequence[str]) -> None:
    """Close the MLflow run of a DagRun, and every run below it that was left open.

    Args:
        client: The tracking server.
        identity: A task of the DagRun.
        parent: The DagRun's run.
        failed: The stages that failed, or could not begin for others that did.

    Raises:
        MlflowError: MLflow refused or did not answer.
    """
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
    status = "FAILED" if failed else "FINISHED"
    client.set_status(parent, status)
    log.info("MLflow run of this DagRun: %s%s", status, f" ({', '.join(failed)} failed)" if failed else "")
