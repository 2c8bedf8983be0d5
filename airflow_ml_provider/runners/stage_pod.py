"""The pod of one attempt: what an operator's arguments describe, made a stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from airflow.providers.cncf.kubernetes.utils.pod_manager import OnFinishAction
from kubernetes.client import V1Pod
from kubernetes.client.exceptions import ApiException

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.pod.compose import compose, stage_container
from airflow_ml_provider.pod.names import CONTAINER_ANNOTATION, ON_FINISH_ANNOTATION
from airflow_ml_provider.pod.resources import give_memory
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.staged import MAIN
from airflow_ml_provider.settings import MlSettings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.operators.stage import StageOperator

DEADLINE_MARGIN_SECONDS = 120
"""How much later than its task's timeout a pod ends by itself."""


def stage_pod(
    operator: StageOperator, context: Context, request: StageRequest, *, secrets: Mapping[str, str], memory: int
) -> V1Pod:
    """Compose the pod.

    Args:
        operator: The stage; its arguments describe the pod.
        context: The task's context.
        request: The attempt.
        secrets: Variables that its MLflow login needs, which no pod gets from Airflow.
        memory: What it gets instead of its own memory, in bytes; 0 for its own.

    Raises:
        StageConfigurationError: The arguments give no pod that can run a stage.
    """
    template = operator.pod_template_file or MlSettings.read(store=operator.store).pod_template
    if template and not (operator.pod_template_dict or operator.full_pod_spec):
        # KubernetesPodOperator goes on without a template that is not there.
        read_pod_template(template, named=f"stage {operator.task_id!r}: pod_template_file")
    pod = operator.build_pod_request_obj(context)
    if pod.spec.active_deadline_seconds is None and operator.execution_timeout is not None:
        # Should nobody be left to delete the pod, the kubelet ends it.
        pod.spec.active_deadline_seconds = int(operator.execution_timeout.total_seconds()) + DEADLINE_MARGIN_SECONDS
    base = stage_container(pod, operator.base_container_name, stage=request.stage)
    if memory:
        give_memory(base, memory)
    if secrets and not base.env_from and not any(variable.name in secrets for variable in base.env or ()):
        operator.log.warning(
            "MLflow asks for a login, which the pod does not get from Airflow's connection: give it %s from a "
            "Kubernetes Secret (pod: secrets: in the YAML)",
            ", ".join(sorted(secrets)),
        )
    staged_by = _io_image(operator) if operator.is_staged else None
    pod = compose(pod, request, container=operator.base_container_name, staged_by=staged_by, name=operator.name or "")
    pod.metadata.annotations |= {
        CONTAINER_ANNOTATION: operator.base_container_name,
        ON_FINISH_ANNOTATION: OnFinishAction(operator.on_finish_action).value,
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


def log_container(operator: StageOperator) -> str:
    """Return the container that does the stage's own work."""
    return MAIN if operator.is_staged else operator.base_container_name


def _io_image(operator: StageOperator) -> str:
    image = operator.io_image or MlSettings.read(store=operator.store).image
    if not image:
        raise StageConfigurationError(
            f"stage {operator.task_id!r}: no image to fetch its inputs and commit its outputs with: set 'image' on the "
            f"pipeline, or [ml] image, to one with Python and the store's client; or say io: direct when the "
            f"stage's own image has both"
        )
    return image
