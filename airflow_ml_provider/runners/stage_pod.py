"""The pod of one attempt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from kubernetes.client import V1Pod
from kubernetes.client.exceptions import ApiException

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.pod.compose import compose, stage_container
from airflow_ml_provider.pod.names import CONTAINER_ANNOTATION, ON_FINISH_ANNOTATION
from airflow_ml_provider.pod.resources import give_memory
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runners.pod_settings import PodSettings

DEADLINE_MARGIN_SECONDS = 120
"""How much later than its task's timeout a pod ends by itself."""


def stage_pod(
    settings: PodSettings, request: StageRequest, *, secrets: Mapping[str, str], memory: int, log: Any
) -> V1Pod:
    """Compose the pod.

    Args:
        settings: The pod.
        request: The attempt.
        secrets: Variables that its MLflow login needs, which no pod gets from Airflow.
        memory: What it gets instead of its own memory, in bytes; 0 for its own.
        log: The task's log.

    Raises:
        StageConfigurationError: The arguments give no pod that can run a stage.
    """
    if settings.template:
        # KubernetesPodOperator goes on without a template that is not there.
        read_pod_template(settings.template, named=f"stage {settings.task_id!r}: pod_template_file")
    pod = settings.build()
    if pod.spec.active_deadline_seconds is None and settings.execution_timeout is not None:
        # Should nobody be left to delete the pod, the kubelet ends it.
        pod.spec.active_deadline_seconds = int(settings.execution_timeout.total_seconds()) + DEADLINE_MARGIN_SECONDS
    base = stage_container(pod, settings.container, stage=request.stage)
    if memory:
        give_memory(base, memory)
    if secrets and not base.env_from and not any(variable.name in secrets for variable in base.env or ()):
        log.warning(
            "MLflow asks for a login, which the pod does not get from Airflow's connection: give it %s from a "
            "Kubernetes Secret (pod: secrets: in the YAML)",
            ", ".join(sorted(secrets)),
        )
    staged_by = _io_image(settings) if settings.staged else None
    pod = compose(pod, request, container=settings.container, staged_by=staged_by, name=settings.name)
    pod.metadata.annotations |= {
        CONTAINER_ANNOTATION: settings.container,
        ON_FINISH_ANNOTATION: settings.on_finish_action,
    }
    return pod


def read_pod_template(path: str, *, named: str) -> V1Pod:
    """Read a pod template.

    Args:
        path: The file.
        named: Where it is asked for, for messages.

    Raises:
        StageConfigurationError: It is missing, or not a pod.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            content = yaml.safe_load(file)
        spec = content.get("spec") if isinstance(content, dict) else None
        containers = spec.get("containers") if isinstance(spec, dict) else None
        if not isinstance(containers, list) or not containers or not all(isinstance(each, dict) for each in containers):
            raise StageConfigurationError(f"{named} {path!r} is not a pod: its spec has no containers")
        return PodGenerator.deserialize_model_dict(content)
    except (OSError, ValueError, TypeError, AttributeError, ApiException, yaml.YAMLError) as error:
        raise StageConfigurationError(f"{named} {path!r} cannot be read as a pod: {error}") from error


def _io_image(settings: PodSettings) -> str:
    if not settings.io_image:
        raise StageConfigurationError(
            f"stage {settings.task_id!r}: no image to fetch its inputs and commit its outputs with: set 'image' on the "
            f"pipeline, or [ml] image, to one with Python and the store's client; or say io: direct when the "
            f"stage's own image has both"
        )
    return settings.io_image
