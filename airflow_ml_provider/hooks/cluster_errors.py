"""What the Kubernetes API refuses, to errors that say what to do and whether a retry helps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3.exceptions
from kubernetes.client import ApiException

from airflow_ml_provider.decisions.cluster_rights import flag_of
from airflow_ml_provider.errors import (
    ClusterCapacityError,
    ClusterError,
    ClusterForbiddenError,
    ClusterUnavailableError,
)
from airflow_ml_provider.protocol.plain_text import one_line

_MESSAGE_LENGTH = 1000
_TRANSIENT = (429, 500, 502, 503, 504)


class MissingError(ClusterError):
    """There is no such object (404)."""


class ConflictError(ClusterError):
    """The object exists, or is not the one that was meant (409)."""


class ExpiredError(ClusterError):
    """The resource version is too old (410): list again."""


class LoginRefusedError(ClusterForbiddenError):
    """The credentials are not valid, or not any more (401)."""


@contextmanager
def cluster_errors(verb: str, resource: str, name: str) -> Iterator[None]:
    """Turn what the client raises into our errors.

    Args:
        verb: The verb as a Role names it (``create``).
        resource: The resource as a Role names it (``pods/log``).
        name: ``namespace/name`` of the object.

    Raises:
        LoginRefusedError: 401.
        ClusterForbiddenError: 403 for a right that is missing.
        ClusterCapacityError: 403 for a quota that is used up.
        MissingError: 404.
        ConflictError: 409.
        ExpiredError: 410.
        ClusterUnavailableError: 429, 5xx, or no answer at all.
        ClusterError: Anything else that Kubernetes refuses.
    """
    try:
        yield
    except ApiException as error:
        raise cluster_error(error, verb, resource, name) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ClusterUnavailableError(
            f"Kubernetes did not answer to {verb} {resource} {name}: {type(error).__name__}: {error}; check that the "
            f"API server of the Kubernetes connection can be reached"
        ) from error


def cluster_error(error: ApiException, verb: str, resource: str, name: str) -> ClusterError | ClusterForbiddenError:
    """Return our error for an answer of the API server."""
    message = _message(error)
    did = f"Kubernetes refused to {verb} {resource} {name} with {error.status}: {message}"
    if error.status == 403 and "exceeded quota" in message:
        return ClusterCapacityError(f"{did}; free some of the quota or raise it")
    if error.status == 403 and "is forbidden: User" in message:
        namespace = name.partition("/")[0]
        return ClusterForbiddenError(
            f"{did}; grant it: airflow-ml manifests --namespace {namespace}{flag_of(resource)} | kubectl apply -f - "
            f"prints and applies the role that has {verb} on {resource}"
        )
    if error.status == 403:
        return ClusterError(f"{did}; change the pod so that the cluster's policies admit it")
    if error.status == 401:
        return LoginRefusedError(f"{did}; fix the credentials of the Kubernetes connection")
    if error.status == 404:
        return MissingError(f"{did}; create it, or fix the name")
    if error.status == 409:
        return ConflictError(did)
    if error.status == 410:
        return ExpiredError(did)
    if error.status in _TRANSIENT:
        return ClusterUnavailableError(did)
    return ClusterError(did)


def _message(error: ApiException) -> str:
    try:
        content = json.loads(error.body)
    except (TypeError, ValueError):
        content = {}
    said = content.get("message") if isinstance(content, dict) else ""
    return one_line(str(said or error.reason), _MESSAGE_LENGTH)
