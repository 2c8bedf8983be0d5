"""What a pod's status says about the stage in it, read from the API's JSON.

The fields: https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.36/#podstatus-v1-core
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_ml_provider.protocol.plain_text import one_line
from airflow_ml_provider.protocol.staged import COMMIT, FETCH, IO_ANNOTATION, MAIN

LOST_AFTER = dt.timedelta(seconds=60)


@dataclass(frozen=True)
class PodState:
    """A pod at one moment.

    In a staged pod it is the turn of one container after the other. What is said of the container is said there of the
    one whose turn it is: of the first that failed, or that has not ended.

    Attributes:
        uid: The pod's uid.
        phase: ``Pending``, ``Running``, ``Succeeded``, ``Failed`` or ``Unknown``.
        exit_code: The container's, ``None`` until the stage has ended.
        container_reason: Why the container ended or waits (``OOMKilled``, ``ErrImagePull``), empty when it runs.
        container_message: What the kubelet says about that.
        termination_message: What the stage left when it ended.
        pod_reason: Why the pod as a whole failed (``Evicted``, ``DeadlineExceeded``), empty otherwise.
        pod_message: What Kubernetes says about that.
        disruption: The reason of the pod's DisruptionTarget condition, empty when there is none.
        scheduled: Whether the pod has a node.
        unschedulable: The scheduler's message while it finds no node, empty otherwise.
        delete_by: When the pod should be gone at the latest, in RFC 3339; empty while nobody deleted it.
        init_failure: Which init container failed and how, empty when none did.
        failed_init: That init container's name.
        started_at: When the stage's own work began, in RFC 3339; empty before.
        step: Whose turn it is in a staged pod: ``fetch``, ``main`` or ``commit``; empty in other pods.
        working: Whether the container runs now.
        memory_request: What the container asked for, empty for nothing.
        memory_limit: What it may use, empty for no limit.
    """

    uid: str
    phase: str
    exit_code: int | None = None
    container_reason: str = ""
    container_message: str = ""
    termination_message: str = ""
    pod_reason: str = ""
    pod_message: str = ""
    disruption: str = ""
    scheduled: bool = False
    unschedulable: str = ""
    delete_by: str = ""
    init_failure: str = ""
    started_at: str = ""
    step: str = ""
    working: bool = False
    memory_request: str = ""
    memory_limit: str = ""
    failed_init: str = ""

    @classmethod
    def of(cls, pod: Mapping[str, Any], *, container: str) -> PodState:
        """Read a pod.

        Args:
            pod: The pod as the API's JSON.
            container: The name of the container that runs the stage, or commits in a staged pod.
        """
        status, spec = pod.get("status") or {}, pod.get("spec") or {}
        staged = (pod["metadata"].get("annotations") or {}).get(IO_ANNOTATION) == "staged"
        statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
        states = {entry["name"]: entry.get("state") or {} for entry in statuses}
        turn = _whose_turn(states, last=container) if staged else container
        own = states.get(MAIN if staged else container) or {}
        state = states.get(turn) or {}
        ended, waiting = state.get("terminated") or {}, state.get("waiting") or {}
        specs = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
        resources = next((entry.get("resources") or {} for entry in specs if entry["name"] == turn), {})
        conditions = {entry["type"]: entry for entry in status.get("conditions") or ()}
        scheduled = conditions.get("PodScheduled") or {}
        failed, how = _init_failure(status.get("initContainerStatuses") or (), steps=(FETCH, MAIN) if staged else ())
        return cls(
            uid=pod["metadata"]["uid"],
            phase=status.get("phase") or "Unknown",
            exit_code=ended.get("exitCode"),
            container_reason=ended.get("reason") or waiting.get("reason") or "",
            container_message=waiting.get("message") or "",
            termination_message=ended.get("message") or "",
            pod_reason=status.get("reason") or "",
            pod_message=status.get("message") or "",
            disruption=(conditions.get("DisruptionTarget") or {}).get("reason") or "",
            scheduled=bool(spec.get("nodeName")) or scheduled.get("status") == "True",
            unschedulable=(scheduled.get("message") or "") if scheduled.get("reason") == "Unschedulable" else "",
            delete_by=pod["metadata"].get("deletionTimestamp") or "",
            init_failure=how,
            failed_init=failed,
            started_at=(own.get("terminated") or own.get("running") or {}).get("startedAt") or "",
            step="" if not staged else turn if turn in (FETCH, MAIN) else COMMIT,
            working=bool(state.get("running")),
            memory_request=(resources.get("requests") or {}).get("memory") or "",
            memory_limit=(resources.get("limits") or {}).get("memory") or "",
        )

    @property
    def started(self) -> bool:
        """Whether the stage's own work ever began."""
        return bool(self.started_at)

    @property
    def waits(self) -> bool:
        """Whether a container of the stage is yet to start."""
        begun = self.started and self.step != COMMIT
        return not (self.ended or self.working or begun)

    @property
    def deleting(self) -> bool:
        """Whether somebody deleted the pod."""
        return bool(self.delete_by)

    def is_lost(self, now: dt.datetime) -> bool:
        """Whether a deleted pod is overdue: its node is dead, and nobody will ever confirm its end."""
        if not self.delete_by:
            return False
        return now > dt.datetime.fromisoformat(self.delete_by.replace("Z", "+00:00")) + LOST_AFTER

    @property
    def ended(self) -> bool:
        """Whether the stage's container will do nothing more; a sidecar that still runs does not count."""
        return self.exit_code is not None or self.phase in ("Succeeded", "Failed")


_STEPS = {FETCH: "fetches its inputs", COMMIT: "commits its outputs"}


def describe(state: PodState) -> str:
    """Return a pod's state in a few words."""
    return one_line(_described(state))


def _described(state: PodState) -> str:
    if state.ended:
        reason = state.container_reason or state.pod_reason
        code = "" if state.exit_code is None else f", exit code {state.exit_code}"
        return f"ended{f' ({reason}{code})' if reason else code}"
    if state.deleting:
        return "is being deleted"
    if state.working and state.step in _STEPS:
        return _STEPS[state.step]
    if state.started:
        return "runs"
    if state.unschedulable:
        return f"waits for a node: {state.unschedulable}"
    if not state.scheduled:
        return "waits for a node"
    if state.container_reason:
        detail = f": {state.container_message}" if state.container_message else ""
        return f"starts ({state.container_reason}){detail}"
    return "starts"


def _whose_turn(states: Mapping[str, Mapping[str, Any]], *, last: str) -> str:
    for name in (FETCH, MAIN):
        ended = (states.get(name) or {}).get("terminated")
        if ended is None or ended.get("exitCode"):
            return name
    return last


def _init_failure(statuses: Iterable[Mapping[str, Any]], *, steps: tuple[str, ...]) -> tuple[str, str]:
    for status in statuses:
        ended = (status.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode") and status["name"] not in steps:
            name, how = status["name"], f"{ended.get('reason')}, exit code {ended['exitCode']}"
            return name, f"init container {name!r} failed ({how})"
    return "", ""
