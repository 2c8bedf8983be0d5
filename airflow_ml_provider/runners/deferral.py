"""How a stage's task leaves its pod, or the wait for room for one, to a triggerer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_ml_provider.configuration import deferral_seconds
from airflow_ml_provider.decisions.pods.hand_over import HandOver
from airflow_ml_provider.errors import ClusterCapacityError, StageCapacityError, StageTimeoutError
from airflow_ml_provider.runners.pod_settings import PodSettings

if TYPE_CHECKING:
    from airflow_ml_provider.attempts.attempt import PodIdentity

BACKSTOP_SECONDS = 120.0
"""How much longer than the task's own time Airflow waits for the triggerer: its event lets the task delete the pod."""
QUOTA_DELAY = timedelta(seconds=30)
"""How often a deferred task asks again for a pod that a quota refused."""


def defer_to_pod(settings: PodSettings, identity: PodIdentity, *, hand_over: HandOver | None) -> NoReturn:
    """Leave a pod to a triggerer.

    Args:
        settings: The pod.
        identity: Which one it is.
        hand_over: What the task knows of it, ``None`` when it did not follow it.

    Raises:
        TaskDeferred: Always.
    """
    from airflow_ml_provider.triggers.stage_pod import StagePodTrigger

    waits = settings.patience
    trigger = StagePodTrigger(
        namespace=identity.namespace,
        pod_name=identity.name,
        container=settings.container,
        log_container=settings.log_container,
        access=dict(settings.access),
        get_logs=settings.logs.get_logs,
        startup_seconds=waits.startup,
        capacity_seconds=waits.capacity,
        deadline=settings.deadline,
        delete_on_kill=not settings.keep_on_kill,
        grace_seconds=settings.grace_seconds,
        not_before=time.time() + deferral_seconds(),
        hand_over=None if hand_over is None else hand_over.to_plain(),
    )
    settings.defer(trigger=trigger, method_name="resume", timeout=settings.time_left(more=BACKSTOP_SECONDS))


def defer_for_room(
    settings: PodSettings, error: ClusterCapacityError, *, since: float, note: Callable[[float], None], log: Any
) -> NoReturn:
    """Ask again later for a pod that a quota refused.

    Args:
        settings: The pod.
        error: What the quota said.
        since: When it first refused, in seconds since the epoch.
        note: Keeps when that was.
        log: The task's log.

    Raises:
        TaskDeferred: There is time left.
        StageCapacityError: It was so for as long as ``capacity_timeout`` says.
        StageTimeoutError: The task's time is over before it can ask again.
    """
    # Not imported with the module: most stages never wait for a quota.
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

    limit, left = settings.capacity_timeout, settings.time_left()
    if limit is not None and time.time() - since > limit.total_seconds():
        raise StageCapacityError(str(error)) from error
    if left is not None and left < QUOTA_DELAY:
        raise StageTimeoutError(f"the task's execution_timeout is over before there is room: {error}")
    note(since)
    log.warning("Waiting for room: %s", error)
    settings.defer(trigger=TimeDeltaTrigger(QUOTA_DELAY), method_name="resume", timeout=left)
