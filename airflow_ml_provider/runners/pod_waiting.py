"""How long a stage's pod is waited for, and what waits in a triggerer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from airflow_ml_provider.decisions.pods.hand_over import HandOver
from airflow_ml_provider.decisions.pods.pending import Patience
from airflow_ml_provider.runners.stage_pod import log_container
from airflow_ml_provider.settings import deferral_seconds

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

    from airflow_ml_provider.attempts.attempt import PodIdentity
    from airflow_ml_provider.operators.stage import StageOperator


def patience(operator: StageOperator) -> Patience:
    """Return how long a pod may take to get a node, and to start there."""
    capacity = operator.capacity_timeout
    return Patience(
        startup=operator.startup_timeout_seconds,
        capacity=None if capacity is None else capacity.total_seconds(),
    )


def deadline(operator: StageOperator, context: Context) -> float | None:
    """Return when the task's time is up, in seconds since the epoch; ``None`` without a timeout."""
    timeout, started = operator.execution_timeout, context["ti"].start_date
    return None if timeout is None or started is None else (started + timeout).timestamp()


def pod_trigger(
    operator: StageOperator, context: Context, identity: PodIdentity, *, hand_over: HandOver | None
) -> BaseTrigger:
    """Return what waits for a pod in a triggerer.

    Args:
        operator: The stage.
        context: The task's context.
        identity: The pod.
        hand_over: What the task knows of it, ``None`` when it did not follow it.
    """
    from airflow_ml_provider.triggers.stage_pod import StagePodTrigger

    waits = patience(operator)
    return StagePodTrigger(
        namespace=identity.namespace,
        pod_name=identity.name,
        container=operator.base_container_name,
        log_container=log_container(operator),
        access={
            "conn_id": operator.kubernetes_conn_id,
            "in_cluster": operator.in_cluster,
            "config_file": operator.config_file,
            "cluster_context": operator.cluster_context,
        },
        get_logs=operator.get_logs,
        startup_seconds=waits.startup,
        capacity_seconds=waits.capacity,
        deadline=deadline(operator, context),
        delete_on_kill=operator.on_kill_action.value != "keep_pod",
        grace_seconds=operator.termination_grace_period,
        not_before=time.time() + deferral_seconds(),
        hand_over=None if hand_over is None else hand_over.to_plain(),
    )
