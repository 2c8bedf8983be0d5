"""What the API server refuses, by status: its class says whether a retry helps."""

import json

import pytest
import urllib3.exceptions
from kubernetes.client import ApiException

from airflow_ml_provider.errors import (
    ClusterCapacityError,
    ClusterError,
    ClusterForbiddenError,
    ClusterUnavailableError,
    FinalError,
)
from airflow_ml_provider.hooks.cluster_errors import (
    ConflictError,
    ExpiredError,
    LoginRefusedError,
    MissingError,
    cluster_errors,
)

FORBIDDEN = 'pods is forbidden: User "system:serviceaccount:ml:airflow" cannot create resource "pods"'
QUOTA = 'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=5, limited: pods=5'
POLICY = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'


def answer(status, message="m"):
    error = ApiException(status=status, reason="reason")
    error.body = json.dumps({"message": message})
    return error


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (answer(401, "Unauthorized"), LoginRefusedError, "fix the credentials"),
        (answer(403, FORBIDDEN), ClusterForbiddenError, "airflow-ml manifests --namespace ml | kubectl apply"),
        (answer(403, QUOTA), ClusterCapacityError, "free some of the quota"),
        (answer(403, POLICY), ClusterError, "so that the cluster's policies admit it"),
        (answer(404), MissingError, "create it, or fix the name"),
        (answer(409), ConflictError, "409"),
        (answer(410), ExpiredError, "410"),
        (answer(422, "spec is invalid"), ClusterError, "spec is invalid"),
        (answer(429), ClusterUnavailableError, "429"),
        (answer(500), ClusterUnavailableError, "500"),
        (answer(503), ClusterUnavailableError, "503"),
        (ConnectionResetError("reset"), ClusterUnavailableError, "did not answer to create pods ml/x"),
        (urllib3.exceptions.ProtocolError("broken"), ClusterUnavailableError, "can be reached"),
        (urllib3.exceptions.ReadTimeoutError(None, "u", "slow"), ClusterUnavailableError, "slow"),
    ],
)
def test_a_refusal_says_what_to_do(error, kind, says):
    with pytest.raises((ClusterError, ClusterForbiddenError)) as caught, cluster_errors("create", "pods", "ml/x"):
        raise error
    assert type(caught.value) is kind
    assert says in str(caught.value)


def test_only_missing_rights_end_a_task_at_once():
    assert issubclass(ClusterForbiddenError, FinalError)
    assert not issubclass(ClusterError, FinalError)
