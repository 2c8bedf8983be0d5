"""Pods of a DagRun that still run though their tasks have ended.

Marking a deferred task kills its pod only when its trigger was already picked up by a triggerer; the end of the DagRun
sees to the rest.
"""

from __future__ import annotations

import logging

from airflow.sdk import Context

from airflow_ml_provider.decisions.pod_state import PodState
from airflow_ml_provider.exceptions import ClusterError, ClusterForbiddenError
from airflow_ml_provider.hooks.pods import Pods
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.pod.names import PIPELINE_LABEL, RUN_LABEL, label_value

log = logging.getLogger(__name__)


def remove_left_pods(context: Context) -> None:
    """Delete the DagRun's pods that have not ended; every stage of it has."""
    instance = context["ti"]
    # A run id is unique within its DAG only.
    labels: dict[str, str | None] = {
        PIPELINE_LABEL: label_value(instance.dag_id),
        RUN_LABEL: label_value(instance.run_id),
    }
    seen = set()
    for task in context["dag"].tasks:
        if not isinstance(task, StageOperator):
            continue
        namespace = instance.xcom_pull(task_ids=task.task_id, key="pod_namespace")
        cluster = (task.kubernetes_conn_id, task.config_file, task.cluster_context, namespace)
        if isinstance(namespace, str) and cluster not in seen:
            seen.add(cluster)
            _remove(task, namespace, labels)


def _remove(task: StageOperator, namespace: str, labels: dict[str, str | None]) -> None:
    pods = Pods(task.client, namespace=namespace)
    try:
        for pod in pods.select(labels):
            state = PodState.of(pod, container=task.base_container_name)
            if not state.ended and not state.deleting:
                name = pod["metadata"]["name"]
                log.warning("Pod %s/%s outlived its task: it is deleted", namespace, name)
                pods.delete(name)
    except (ClusterError, ClusterForbiddenError) as error:
        log.warning("Pods of this DagRun may be left in %s: %s", namespace, error)
