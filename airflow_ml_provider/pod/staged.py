"""A stage as three containers of one pod: fetch the inputs, do the work, commit the outputs.

The middle one, ``main``, may be any image. The first two are init containers, so the pod ends with its commit and needs
no sidecar.
"""

from __future__ import annotations

from copy import copy

from kubernetes.client import (
    V1Container,
    V1EmptyDirVolumeSource,
    V1Pod,
    V1ResourceRequirements,
    V1Volume,
    V1VolumeMount,
)

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.pod.injection import BOOTSTRAP, STEP_BOOTSTRAP, packed_runtime
from airflow_ml_provider.pod.variables import TERMINATION_LOG, literal, with_variables
from airflow_ml_provider.protocol.environment import (
    REQUEST_VARIABLE,
    RUNTIME_VARIABLE,
    TERMINATION_VARIABLE,
    command_variables,
    tracking_variables,
)
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.staged import (
    CODE,
    COMMIT,
    FETCH,
    IO_ANNOTATION,
    MAIN,
    ROOT,
    ROOT_VARIABLE,
    RUNTIME,
    STEP_VARIABLE,
    WORK,
)

_WORK = f"{ROOT}/{WORK}"
_RUNTIME = f"{ROOT}/{RUNTIME}"
_OWN_RESOURCES = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}


def stage_in_steps(pod: V1Pod, base: V1Container, request: StageRequest, *, image: str) -> None:
    """Make the container of a stage the second of three; the last one keeps its name.

    The first and the last see the variables and volumes of the stage, which hold the way to the store.

    Args:
        pod: The pod; it is changed in place.
        base: Its container that the arguments describe.
        request: The attempt.
        image: What fetches and commits: Python and the store's client.

    Raises:
        StageConfigurationError: Another container has the name of one of these.
    """
    others = [each.name for each in (*(pod.spec.init_containers or ()), *pod.spec.containers)]
    if taken := {FETCH, MAIN}.intersection(others):
        raise StageConfigurationError(
            f"stage {request.stage!r}: its pod has a container {min(taken)!r}, which is the name of one of a staged "
            f"stage's own; rename it, or say io: direct"
        )
    main = _main(base, request)
    fetch = _own(base, FETCH, step=FETCH, image=image)
    fetch.command = ["python3", "-c", BOOTSTRAP]
    fetch.env = with_variables(fetch.env, {REQUEST_VARIABLE: request.to_json(), RUNTIME_VARIABLE: packed_runtime()})
    commit = _own(base, base.name, step=COMMIT, image=image)
    commit.command = ["python3", "-c", STEP_BOOTSTRAP]
    pod.spec.init_containers = [*(pod.spec.init_containers or ()), fetch, main]
    pod.spec.containers = [commit if container is base else container for container in pod.spec.containers]
    pod.spec.volumes = [
        *(pod.spec.volumes or ()),
        V1Volume(name="airflow-ml-work", empty_dir=V1EmptyDirVolumeSource()),
        V1Volume(name="airflow-ml-runtime", empty_dir=V1EmptyDirVolumeSource()),
    ]
    pod.metadata.annotations[IO_ANNOTATION] = "staged"
    pod.metadata.annotations["kubectl.kubernetes.io/default-container"] = MAIN


def _main(base: V1Container, request: StageRequest) -> V1Container:
    main = copy(base)
    main.name = MAIN
    main.termination_message_path, main.termination_message_policy = TERMINATION_LOG, "File"
    if request.run is not None:
        main.command = ["python3", "-c", STEP_BOOTSTRAP]
        variables = _step_variables(MAIN)
        main.volume_mounts = _mounted(base, _WORK, _RUNTIME)
    else:
        main.command = [literal(word) for word in request.command]
        variables = command_variables(
            inputs={name: f"{_WORK}/inputs/{name}" for name in request.inputs},
            outputs={name: f"{_WORK}/outputs/{name}" for name in request.outputs},
            params=request.params,
            result=f"{_WORK}/result.json",
        )
        main.volume_mounts = _mounted(base, _WORK)
        if request.code is not None:
            main.working_dir = f"{_WORK}/{CODE}"
    main.env = with_variables(base.env, {**variables, **tracking_variables(request.tracking)})
    return main


def _own(base: V1Container, name: str, *, step: str, image: str) -> V1Container:
    return V1Container(
        name=name,
        image=image,
        image_pull_policy=base.image_pull_policy,
        env=with_variables(base.env, _step_variables(step)),
        env_from=base.env_from,
        resources=V1ResourceRequirements(**_OWN_RESOURCES),
        termination_message_path=TERMINATION_LOG,
        termination_message_policy="File",
        volume_mounts=_mounted(base, _WORK, _RUNTIME),
    )


def _step_variables(step: str) -> dict[str, str]:
    return {
        STEP_VARIABLE: step,
        ROOT_VARIABLE: ROOT,
        TERMINATION_VARIABLE: TERMINATION_LOG,
        "PYTHONUNBUFFERED": "1",
    }


def _mounted(base: V1Container, *paths: str) -> list[V1VolumeMount]:
    ours = [V1VolumeMount(name=path.strip("/").replace("/", "-"), mount_path=path) for path in paths]
    return [*(base.volume_mounts or ()), *ours]
