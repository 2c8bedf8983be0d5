"""Following one pod to its end: a watch that resumes, a list where it cannot."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from airflow_ml_provider.exceptions import ClusterForbiddenError, ClusterUnavailableError
from airflow_ml_provider.hooks.cluster_errors import ExpiredError
from airflow_ml_provider.hooks.pods import Pods

OUTAGE_SECONDS = 900.0
"""How long the API server may be away before following gives up; a running pod does not need it."""
REFUSED_SECONDS = 60.0
"""How long it may refuse what it allowed before."""


def pod_states(
    pods: Pods, name: str, *, warn: Callable[[str], None], stopped: Callable[[], bool]
) -> Iterator[dict[str, Any] | None]:
    """Yield the pod's JSON now and at every change, ``None`` last when it is gone.

    A watch that ends in order is resumed at its resource version. One that ended without a sign of life, broke or
    expired is followed by a list, so that a change is seen within a minute even if no watch works.

    Args:
        pods: The namespace.
        name: The pod.
        warn: Told once at the beginning of each outage.
        stopped: Asked between two requests; when true the iterator ends.

    Raises:
        ClusterForbiddenError: A right is missing.
        ClusterUnavailableError: The API server was away for 15 minutes.
    """
    away_since: float | None = None
    version: str | None = None
    while not stopped():
        try:
            if version is None:
                pod, version = pods.list_one(name)
                yield pod
                if pod is None:
                    return
            away_since = None
            alive = False
            for kind, changed in pods.watch_one(name, version):
                alive, away_since = True, None
                version = changed["metadata"]["resourceVersion"]
                if kind == "DELETED":
                    yield None
                    return
                if kind != "BOOKMARK":
                    yield changed
            if not alive:
                version = None
        except ExpiredError:
            version = None
        except (ClusterUnavailableError, ClusterForbiddenError) as error:
            version = None
            now = time.monotonic()
            if away_since is None:
                away_since = now
                warn(f"Lost sight of pod {name}, which runs on: {error}")
            if not pods.may_pass(error) or now - away_since > outage_seconds(error):
                raise
            time.sleep(random.uniform(0.2, 2.0))  # noqa: S311


def outage_seconds(error: ClusterUnavailableError | ClusterForbiddenError) -> float:
    """Return how long an outage of this kind is borne with."""
    return OUTAGE_SECONDS if isinstance(error, ClusterUnavailableError) else REFUSED_SECONDS
