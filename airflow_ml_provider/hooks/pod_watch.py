"""Following one pod to its end: a watch that resumes, a list where it cannot."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from airflow_ml_provider.decisions.pods.outage import Outage
from airflow_ml_provider.errors import ClusterForbiddenError, ClusterUnavailableError
from airflow_ml_provider.hooks.cluster_errors import ExpiredError
from airflow_ml_provider.hooks.pods import Pods


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
    outage = Outage()
    version: str | None = None
    while not stopped():
        try:
            if version is None:
                pod, version = pods.list_one(name)
                yield pod
                if pod is None:
                    return
            outage.over()
            alive = False
            for kind, changed in pods.watch_one(name, version):
                alive = True
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
            if outage.begins(now=now):
                warn(f"Lost sight of pod {name}, which runs on: {error}")
            refused = isinstance(error, ClusterForbiddenError)
            if not pods.may_pass(error) or outage.is_too_long(refused=refused, now=now):
                raise
            time.sleep(random.uniform(0.2, 2.0))  # noqa: S311
