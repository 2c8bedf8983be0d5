"""A stage's pod: what KubernetesPodOperator built from the author's arguments, and what makes it a stage.

Order of precedence: KubernetesPodOperator argument, stage, pipeline, pod template, connection, config. The first
three arrive merged as arguments of the operator; KubernetesPodOperator merges template and connection below them.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from kubernetes.client import V1Container, V1Pod

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.pod.injection import BOOTSTRAP, packed_runtime
from airflow_ml_provider.pod.names import pod_annotations, pod_labels, pod_name
from airflow_ml_provider.pod.security import restrict
from airflow_ml_provider.pod.staged import stage_in_steps
from airflow_ml_provider.pod.variables import TERMINATION_LOG, with_variables
from airflow_ml_provider.protocol.environment import REQUEST_VARIABLE, RUNTIME_VARIABLE, TERMINATION_VARIABLE
from airflow_ml_provider.protocol.request import StageRequest


def compose(
    pod: V1Pod, request: StageRequest, *, container: str, staged_by: str | None = None, name: str = ""
) -> V1Pod:
    """Make a pod run a stage: its name, labels, command, request and runtime, and a security context.

    Args:
        pod: The pod as the operator's arguments, template and connection describe it; it is changed in place.
        request: The attempt.
        container: The name of the container that runs the stage.
        staged_by: The image of the containers that fetch before the stage's and commit after it, ``None`` when the
            stage's own container does both.
        name: What its name is to begin with, the stage's by default.

    Raises:
        StageConfigurationError: The container has no image, a command of its own, or no way to the store.
    """
    base = stage_container(pod, container, stage=request.stage)
    if not base.image:
        raise StageConfigurationError(
            f"stage {request.stage!r} has no image to run in: set 'image' on the stage or the pipeline, or [ml] image"
        )
    if base.command or base.args:
        raise StageConfigurationError(
            f"stage {request.stage!r}: cmds and arguments are KubernetesPodOperator's; a stage says what it runs with "
            f"run='module:function' or command=[...]"
        )
    _require_reachable_store(base, request)
    pod.metadata.name = pod_name(request, begin=name)
    pod.metadata.labels = {**(pod.metadata.labels or {}), **pod_labels(request)}
    pod.metadata.annotations = {**(pod.metadata.annotations or {}), **pod_annotations(request)}
    if staged_by is None:
        _run_whole(base, request)
    else:
        stage_in_steps(pod, base, request, image=staged_by)
    restrict(pod.spec)
    return pod


def _run_whole(base: V1Container, request: StageRequest) -> None:
    base.command = ["python3", "-c", BOOTSTRAP]
    base.termination_message_path, base.termination_message_policy = TERMINATION_LOG, "File"
    base.env = with_variables(
        base.env,
        {
            REQUEST_VARIABLE: request.to_json(),
            RUNTIME_VARIABLE: packed_runtime(),
            TERMINATION_VARIABLE: TERMINATION_LOG,
            "PYTHONUNBUFFERED": "1",
        },
    )


def stage_container(pod: V1Pod, name: str, *, stage: str) -> V1Container:
    """Return the container of that name.

    Raises:
        StageConfigurationError: There is none.
    """
    found = next((container for container in pod.spec.containers if container.name == name), None)
    if found is None:
        names = ", ".join(container.name for container in pod.spec.containers)
        raise StageConfigurationError(f"stage {stage!r}: its pod has no container {name!r}, it has {names}")
    return found


def _require_reachable_store(container: V1Container, request: StageRequest) -> None:
    if not request.attempt_uri.startswith("file://"):
        return
    path = PurePosixPath(request.attempt_uri.removeprefix("file://"))
    mounts = [mount.mount_path for mount in container.volume_mounts or ()]
    if not any(path.is_relative_to(mount) for mount in mounts):
        raise StageConfigurationError(
            f"stage {request.stage!r} runs in a pod, where {request.attempt_uri} lies on the pod's own disk and is "
            f"gone with it: use a store such as s3://bucket/prefix, or mount a shared volume at the store's path"
        )
