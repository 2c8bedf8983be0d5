"""What a lost cluster or a lost MLflow left behind: pods and runs whose tasks are over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_ml_provider.decisions.pods.cleanup import deletes
from airflow_ml_provider.decisions.pods.leftover import Owner, is_over
from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.hooks.pods import Pods
from airflow_ml_provider.mlflow_api.client import MlflowClient
from airflow_ml_provider.pod.names import (
    CONTAINER_ANNOTATION,
    DAG_ANNOTATION,
    DAG_RUN_ANNOTATION,
    KIND_LABEL,
    MAP_INDEX_ANNOTATION,
    ON_FINISH_ANNOTATION,
    TASK_ANNOTATION,
)
from airflow_ml_provider.tracking.stage_tracking import ROLE_TAG, child_states, parent_status

TaskStates = Callable[[Owner], Collection[str | None]]
"""Returns the states of the owner's task instances, none when Airflow does not know it."""

_MOST_INDICES = 2**31
_ROLES = ("trial", "attempt", "stage", "pipeline")


@dataclass(frozen=True)
class Leftover:
    """Something to be removed.

    Attributes:
        name: What it is.
        reason: Why nobody needs it.
        remove: Removes it.
    """

    name: str
    reason: str
    remove: Callable[[], None]


class Reaper:
    """Finds what tasks that are over left behind.

    Args:
        states: Asks Airflow.
        older_than: What is younger is left alone.
        unknown_runs: Whether a DagRun that Airflow does not know is over; it may be another Airflow's.
    """

    def __init__(self, states: TaskStates, *, older_than: dt.timedelta, unknown_runs: bool = False) -> None:
        self._ask = states
        self._older_than = older_than
        self._unknown_runs = unknown_runs
        self._known: dict[Owner, bool | None] = {}

    def pods(self, pods: Pods) -> Iterator[Leftover]:
        """Yield the namespace's pods that outlived their tasks.

        A pod that ended and that its stage keeps (``on_finish_action``) is none of them.

        Raises:
            ClusterError: Kubernetes refused or did not answer.
        """
        for pod in pods.select({KIND_LABEL: None}):
            metadata = pod["metadata"]
            container = (metadata.get("annotations") or {}).get(CONTAINER_ANNOTATION, "base")
            owner, state = _owner_of_pod(metadata), PodState.of(pod, container=container)
            created = dt.datetime.fromisoformat(metadata["creationTimestamp"].replace("Z", "+00:00"))
            if owner is None or state.deleting or not self._is_old(created):
                continue
            action = metadata["annotations"].get(ON_FINISH_ANNOTATION, "delete_pod")
            reason = self._reason(owner)
            if reason and deletes(action, succeeded=state.exit_code == 0, ended=state.ended):
                name, uid = metadata["name"], metadata["uid"]
                yield Leftover(f"pod {pods.namespace}/{name}", reason, _deleter(pods, name, uid))

    def runs(self, client: MlflowClient) -> Iterator[Leftover]:
        """Yield MLflow runs that are open though their tasks are over; a DagRun's run comes after those below it.

        Raises:
            MlflowError: MLflow refused or did not answer.
        """
        for role in _ROLES:
            for experiment_id in client.experiment_ids():
                # Listed before any is closed: a page is not to be lost because an earlier one changed.
                wanted = f"attributes.status = 'RUNNING' and tags.`{ROLE_TAG}` = '{role}'"
                for run in list(client.search_runs(experiment_id=experiment_id, filter_string=wanted)):
                    started = _started(run)
                    if started is None or not self._is_old(started):
                        continue
                    if reason := self._reason(_owner_of_run(run)):
                        yield Leftover(f"MLflow run {run['info']['run_id']}", reason, _closer(client, run, role))

    def _is_old(self, since: dt.datetime) -> bool:
        return dt.datetime.now(tz=dt.UTC) - since > self._older_than

    def _reason(self, owner: Owner) -> str:
        if owner not in self._known:
            self._known[owner] = is_over(self._ask(owner))
        over = self._known[owner]
        if over is None:
            return f"{owner} is not known to Airflow" if self._unknown_runs else ""
        return f"{owner} is over" if over else ""


def _owner_of_pod(metadata: Mapping[str, Any]) -> Owner | None:
    annotations = metadata.get("annotations") or {}
    try:
        index = int(annotations[MAP_INDEX_ANNOTATION])
        owner = Owner(annotations[DAG_ANNOTATION], annotations[DAG_RUN_ANNOTATION], annotations[TASK_ANNOTATION], index)
    except (KeyError, ValueError):
        return None
    return owner if -1 <= index < _MOST_INDICES else None


def _started(run: Mapping[str, Any]) -> dt.datetime | None:
    """Return when a run began, ``None`` where it says nothing that is a time: it is left alone."""
    try:
        return dt.datetime.fromtimestamp(run["info"]["start_time"] / 1000, tz=dt.UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _owner_of_run(run: Mapping[str, Any]) -> Owner:
    tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
    return Owner(
        tags.get("airflow_ml.pipeline", ""), tags.get("airflow_ml.dag_run", ""), tags.get("airflow_ml.stage", "")
    )


def _deleter(pods: Pods, name: str, uid: str) -> Callable[[], None]:
    return lambda: pods.delete(name, uid=uid)


def _closer(client: MlflowClient, run: Mapping[str, Any], role: str) -> Callable[[], None]:
    run_id, experiment_id = str(run["info"]["run_id"]), str(run["info"]["experiment_id"])

    def close() -> None:
        status = "KILLED"
        if role == "pipeline":
            status = parent_status(child_states(client, experiment_id=experiment_id, parent=run_id).values())
        client.set_status(run_id, status)

    return close
