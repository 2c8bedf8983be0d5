"""What there is to reap behind Airflow's connections."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

from airflow_ml_provider.cleanup.reaper import Leftover, Reaper, TaskStates
from airflow_ml_provider.configuration import ml_settings
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.hooks.pods import Pods


def leftovers(
    states: TaskStates,
    *,
    namespace: str | None,
    kubernetes_conn_id: str,
    mlflow_conn_id: str | None,
    older_than: dt.timedelta,
    unknown_runs: bool = False,
) -> Iterator[Leftover]:
    """Yield the pods, then the MLflow runs, that tasks left behind.

    Raises:
        StageConfigurationError: No namespace is given, neither here nor by the connection or ``[ml]``.
        ClusterError: Kubernetes refused or did not answer.
        MlflowError: MLflow refused or did not answer.
    """
    reaper = Reaper(states, older_than=older_than, unknown_runs=unknown_runs)
    cluster = KubernetesHook(conn_id=kubernetes_conn_id)
    # The order in which a stage finds its own.
    found = namespace or cluster.get_namespace() or ml_settings().namespace
    if not found:
        raise StageConfigurationError("no namespace to look for pods in: name it, or set [ml] namespace")
    yield from reaper.pods(Pods(cluster.core_v1_client, namespace=found))
    if mlflow_conn_id is not None:
        yield from reaper.runs(MlflowHook(mlflow_conn_id).get_conn())
