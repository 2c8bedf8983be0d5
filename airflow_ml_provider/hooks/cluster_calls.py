"""One call to the Kubernetes API: its answer as JSON, its refusal as our error, again where it did not answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import tenacity

from airflow_ml_provider.errors import ClusterUnavailableError
from airflow_ml_provider.hooks.cluster_errors import cluster_errors

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
RAW: Mapping[str, Any] = {"_preload_content": False, "_request_timeout": (CONNECT_SECONDS, READ_SECONDS)}
"""Arguments of the client's methods: an answer that is read here, within a time."""
_ATTEMPTS = 6


def unanswered(error: BaseException) -> bool:
    """Whether a call failed because the API server did not answer."""
    return isinstance(error, ClusterUnavailableError)


def answer_of(
    verb: str,
    resource: str,
    name: str,
    call: Callable[[], Any],
    *,
    again: Callable[[BaseException], bool] = unanswered,
) -> dict[str, Any]:
    """Return what the API server answers.

    Args:
        verb: The verb as a Role names it (``create``).
        resource: The resource as a Role names it (``pods/log``).
        name: ``namespace/name`` of the object.
        call: The client's method with its arguments, :data:`RAW` among them.
        again: After which errors it is called again, six times in all.

    Raises:
        ClusterError: Kubernetes refused.
        ClusterForbiddenError: The right is missing.
        ClusterUnavailableError: The API server did not answer.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(again),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=0.25, max=5),
        reraise=True,
    )
    return retrying(_once, verb, resource, name, call)


def _once(verb: str, resource: str, name: str, call: Callable[[], Any]) -> dict[str, Any]:
    with cluster_errors(verb, resource, name):
        content: dict[str, Any] = json.loads(call().data)
    return content
