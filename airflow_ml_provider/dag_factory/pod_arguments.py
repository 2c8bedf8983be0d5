"""What a pipeline says about a stage's pod, to arguments of KubernetesPodOperator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubernetes.client import V1EnvVar, V1LocalObjectReference, V1VolumeMount

from airflow_ml_provider.pod import scheduling, secrets, volumes
from airflow_ml_provider.spec.pod import PodSpec, VolumeSpec

_FINISH_ACTIONS = {"never": "delete_pod", "failed": "delete_succeeded_pod", "always": "keep_pod"}
_AS_THEY_ARE = {
    "connection": "kubernetes_conn_id",
    "namespace": "namespace",
    "service_account": "service_account_name",
    "affinity": "affinity",
    "priority_class": "priority_class_name",
    "pull_policy": "image_pull_policy",
    "annotations": "annotations",
    "deferrable": "deferrable",
    "capacity_timeout": "capacity_timeout",
    "max_disruptions": "max_disruptions",
}


def pod_arguments(pod: PodSpec, *, base_folder: str) -> dict[str, Any]:
    """Return the arguments; what the pipeline leaves open is absent, so templates and connections may say it.

    Args:
        pod: The stage's description over its pipeline's.
        base_folder: Where a relative template path starts.
    """
    arguments: dict[str, Any] = {
        argument: value for name, argument in _AS_THEY_ARE.items() if (value := getattr(pod, name)) not in (None, {})
    }
    if pod.template:
        arguments["pod_template_file"] = str(Path(base_folder) / pod.template)
    if pod.deadline:
        arguments["active_deadline_seconds"] = int(pod.deadline.total_seconds())
    if pod.startup_timeout:
        arguments["startup_timeout_seconds"] = int(pod.startup_timeout.total_seconds())
    if pod.keep:
        arguments["on_finish_action"] = _FINISH_ACTIONS[pod.keep]
    if pod.pull_secrets:
        arguments["image_pull_secrets"] = [V1LocalObjectReference(name=name) for name in pod.pull_secrets]
    labels = {**pod.labels, **({scheduling.QUEUE_LABEL: pod.queue} if pod.queue else {})}
    return {**arguments, **({"labels": labels} if labels else {}), **_placement(pod), **_content(pod)}


def _placement(pod: PodSpec) -> dict[str, Any]:
    selector, tolerations = scheduling.spot_nodes(pod.spot) if pod.spot else ({}, [])
    found = {
        "node_selector": {**selector, **pod.node_selector},
        "tolerations": [*tolerations, *pod.tolerations],
    }
    return {name: value for name, value in found.items() if value}


def _content(pod: PodSpec) -> dict[str, Any]:
    env_from, mounted, mounts, keys = [], [], [], []
    for secret, use in pod.secrets.items():
        if isinstance(use, dict):
            keys.extend(secrets.some_keys(secret, use))
        elif use == "env":
            env_from.append(secrets.all_keys(secret))
        else:
            volume, mount = volumes.secret_volume(secret, use)
            mounted.append(volume)
            mounts.append(mount)
    for name, spec in pod.volumes.items():
        mounted.append(_volume(name, spec))
        mounts.append(
            V1VolumeMount(name=name, mount_path=spec.path, read_only=spec.read_only or None, sub_path=spec.sub_path)
        )
    if pod.shared_memory:
        volume, mount = volumes.shared_memory(pod.shared_memory)
        mounted.append(volume)
        mounts.append(mount)
    # A mapping is all that a pod of plain variables needs, and costs a parse nothing.
    variables: Any = dict(pod.env)
    if keys:
        variables = [*(V1EnvVar(name=name, value=value) for name, value in pod.env.items()), *keys]
    found = {"env_vars": variables, "env_from": env_from, "volumes": mounted, "volume_mounts": mounts}
    return {name: value for name, value in found.items() if value}


def _volume(name: str, spec: VolumeSpec) -> Any:
    if spec.claim:
        return volumes.claimed_volume(name, spec.claim)
    if spec.host:
        return volumes.host_volume(name, spec.host)
    return volumes.empty_volume(name, str(spec.empty))
