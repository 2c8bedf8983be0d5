"""The one call to the Kubernetes API about Jobs."""

from __future__ import annotations

from functools import partial

from kubernetes.client import BatchV1Api, CoreV1Api, V1Job

from airflow_ml_provider.hooks.cluster_calls import RAW, answer_of
from airflow_ml_provider.hooks.cluster_errors import ConflictError


def create_job(client: CoreV1Api, job: V1Job) -> None:
    """Create a Job; that one of this name is there already is success, because a name belongs to one attempt.

    Raises:
        ClusterForbiddenError: The right to create jobs is missing.
        ClusterError: Kubernetes refused the Job.
        ClusterUnavailableError: The API server did not answer.
    """
    namespace, name = job.metadata.namespace, job.metadata.name
    create = partial(BatchV1Api(client.api_client).create_namespaced_job, namespace, job, **RAW)
    try:
        answer_of("create", "jobs", f"{namespace}/{name}", create)
    except ConflictError:
        return
