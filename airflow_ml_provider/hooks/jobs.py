"""The one call to the Kubernetes API about Jobs."""

from __future__ import annotations

from kubernetes.client import BatchV1Api, CoreV1Api, V1Job

from airflow_ml_provider.hooks.cluster_errors import ConflictError, cluster_errors
from airflow_ml_provider.hooks.pods import CONNECT_SECONDS, READ_SECONDS


def create_job(client: CoreV1Api, job: V1Job) -> None:
    """Create a Job; that one of this name is there already is success, because a name belongs to one attempt.

    Raises:
        ClusterForbiddenError: The right to create jobs is missing.
        ClusterError: Kubernetes refused the Job.
        ClusterUnavailableError: The API server did not answer.
    """
    name = f"{job.metadata.namespace}/{job.metadata.name}"
    try:
        with cluster_errors("create", "jobs", name):
            BatchV1Api(client.api_client).create_namespaced_job(
                job.metadata.namespace, job, _preload_content=False, _request_timeout=(CONNECT_SECONDS, READ_SECONDS)
            )
    except ConflictError:
        return
