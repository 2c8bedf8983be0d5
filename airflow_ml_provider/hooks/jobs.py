"""The one call to the Kubernetes API about Jobs."""

from __future__ import annotations

import tenacity
from kubernetes.client import BatchV1Api, CoreV1Api, V1Job

from airflow_ml_provider.exceptions import ClusterUnavailableError
from airflow_ml_provider.hooks.cluster_errors import ConflictError, cluster_errors
from airflow_ml_provider.hooks.pods import CONNECT_SECONDS, READ_SECONDS

_ATTEMPTS = 6


def create_job(client: CoreV1Api, job: V1Job) -> None:
    """Create a Job; that one of this name is there already is success, because a name belongs to one attempt.

    Raises:
        ClusterForbiddenError: The right to create jobs is missing.
        ClusterError: Kubernetes refused the Job.
        ClusterUnavailableError: The API server did not answer.
    """
    again = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ClusterUnavailableError),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=0.25, max=5),
        reraise=True,
    )
    try:
        again(_create, client, job)
    except ConflictError:
        return


def _create(client: CoreV1Api, job: V1Job) -> None:
    with cluster_errors("create", "jobs", f"{job.metadata.namespace}/{job.metadata.name}"):
        BatchV1Api(client.api_client).create_namespaced_job(
            job.metadata.namespace, job, _preload_content=False, _request_timeout=(CONNECT_SECONDS, READ_SECONDS)
        )
