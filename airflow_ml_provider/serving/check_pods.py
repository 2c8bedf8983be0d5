"""The pods in which new servers are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_ml_provider.pod.compose import stage_container
from airflow_ml_provider.pod.resources import resource_requirements

if TYPE_CHECKING:
    from kubernetes.client import V1Pod

    from airflow_ml_provider.runners.pod_settings import PodSettings

CHECK_RESOURCES: Mapping[str, str] = {"cpu": "100m", "memory": "512Mi"}


def check_pods(pods: PodSettings) -> PodSettings:
    """Return the pods of a stage with little CPU and memory, never left to a triggerer: what asks servers is small."""

    def build() -> V1Pod:
        pod = pods.build()
        stage_container(pod, pods.container, stage=pods.task_id).resources = resource_requirements(CHECK_RESOURCES)
        return pod

    return replace(pods, build=build, deferrable=False)
