"""Following one pod to its end: a watch that resumes, a list where it cannot."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from airflow_ml_provider.decisions.pods.watch_position import PAUSE_SECONDS, WatchPosition
from airflow_ml_provider.errors import ClusterForbiddenError, ClusterUnavailableError
from airflow_ml_provider.hooks.cluster_errors import ExpiredError
from airflow_ml_provider.hooks.pods import Pods


def pod_states(
    pods: Pods, name: str, *, warn: Callable[[str], None], stopped: Callable[[], bool]
) -> Iterator[dict[str, Any] | None]:
    """Yield the pod's JSON now and at every change, ``None`` last when it is gone.

    Args:
        pods: The namespace.
        name: The pod.
        warn: Called once at the beginning of each outage.
        stopped: Asked between two requests; when true the iterator ends.

    Raises:
        ClusterForbiddenError: A right is missing.
        ClusterUnavailableError: The API server was away for 15 minutes.
    """
    position = WatchPosition()
    while not stopped():
        try:
            version = position.version
            if version is None:
                pod, version = pods.list_one(name)
                yield pod
                if pod is None:
                    return
            position.begin(version)
            for kind, changed in pods.watch_one(name, version):
                position.see(changed["metadata"]["resourceVersion"])
                if kind == "DELETED":
                    yield None
                    return
                if kind != "BOOKMARK":
                    yield changed
            position.end()
        except ExpiredError:
            position.expire()
        except (ClusterUnavailableError, ClusterForbiddenError) as error:
            failure = position.fail(refused=isinstance(error, ClusterForbiddenError), now=time.monotonic())
            if failure.first:
                warn(f"Lost sight of pod {name}, which runs on: {error}")
            if not pods.may_pass(error) or failure.too_long:
                raise
            time.sleep(random.uniform(*PAUSE_SECONDS))  # noqa: S311
