"""Volumes of a stage's pod and where its container sees them."""

from __future__ import annotations

from kubernetes.client import (
    V1EmptyDirVolumeSource,
    V1HostPathVolumeSource,
    V1PersistentVolumeClaimVolumeSource,
    V1SecretVolumeSource,
    V1Volume,
    V1VolumeMount,
)


def claimed_volume(name: str, claim: str) -> V1Volume:
    """Return a volume of an existing PersistentVolumeClaim."""
    return V1Volume(name=name, persistent_volume_claim=V1PersistentVolumeClaimVolumeSource(claim_name=claim))


def host_volume(name: str, path: str) -> V1Volume:
    """Return a folder of the node; it must exist."""
    return V1Volume(name=name, host_path=V1HostPathVolumeSource(path=path, type="Directory"))


def empty_volume(name: str, size: str) -> V1Volume:
    """Return an empty folder on the node's disk that ends with the pod."""
    return V1Volume(name=name, empty_dir=V1EmptyDirVolumeSource(size_limit=size))


def shared_memory(size: str) -> tuple[V1Volume, V1VolumeMount]:
    """Return a larger /dev/shm than the 64 MiB that containers get; data loaders of PyTorch need it."""
    volume = V1Volume(name="shared-memory", empty_dir=V1EmptyDirVolumeSource(medium="Memory", size_limit=size))
    return volume, V1VolumeMount(name=volume.name, mount_path="/dev/shm")  # noqa: S108


def secret_volume(secret: str, path: str) -> tuple[V1Volume, V1VolumeMount]:
    """Return an existing Secret as files below a path, one a key."""
    volume = V1Volume(name=f"secret-{secret}"[:63], secret=V1SecretVolumeSource(secret_name=secret))
    return volume, V1VolumeMount(name=volume.name, mount_path=path, read_only=True)
