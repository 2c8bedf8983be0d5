"""Pods of a DagRun that still run though their tasks have ended.

Marking a deferred task kills its pod only when its trigger was already picked up by a triggerer; the end of the DagRun
sees to the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.sdk import Context

from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.errors import ClusterError, ClusterForbiddenError
from airflow_ml_provider.hooks.pods import Pods
from airflow_ml_provider.pod.names import CONTAINER_ANNOTATION, PIPELINE_LABEL, RUN_LABEL, label_value

log = logging.getLogger(__name__)

_CLUSTER = ("kubernetes_conn_id", "config_file", "cluster_context", "in_cluster")


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
        cluster = _cluster(task)
        if cluster is None:
            continue
        pushed = instance.xcom_pull(task_ids=task.task_id, key="pod_namespace")
        # A mapped task pushed one each; who may write XComs may have written others.
        several = pushed if isinstance(pushed, Sequence) and not isinstance(pushed, str) else (pushed,)
        for namespace in {each for each in several if isinstance(each, str)}:
            if (cluster, namespace) not in seen:
                seen.add((cluster, namespace))
                _remove(cluster, namespace, labels)


def _cluster(task: Any) -> tuple[Any, ...] | None:
    """Return how a stage reaches its cluster, ``None`` when the task is not a stage."""
    if getattr(task, "runs_pods", False):
        return tuple(getattr(task, name) for name in _CLUSTER)
    kind = getattr(task, "operator_class", None)
    if not getattr(kind, "runs_pods", False):
        return None
    given = {"kubernetes_conn_id": KubernetesHook.default_conn_name, **task.partial_kwargs}
    return tuple(given.get(name) for name in _CLUSTER)


def _remove(cluster: Iterable[Any], namespace: str, labels: dict[str, str | None]) -> None:
    conn_id, config_file, cluster_context, in_cluster = cluster
    hook = KubernetesHook(
        conn_id=conn_id, config_file=config_file, cluster_context=cluster_context, in_cluster=in_cluster
    )
    pods = Pods(hook.core_v1_client, namespace=namespace)
    try:
        for pod in pods.select(labels):
            container = (pod["metadata"].get("annotations") or {}).get(CONTAINER_ANNOTATION, "base")
            state = PodState.of(pod, container=container)
            if not state.ended and not state.deleting:
                name = pod["metadata"]["name"]
                log.warning("Pod %s/%s outlived its task: it is deleted", namespace, name)
                pods.delete(name)
    except (ClusterError, ClusterForbiddenError) as error:
        log.warning("Pods of this DagRun may be left in %s: %s", namespace, error)
