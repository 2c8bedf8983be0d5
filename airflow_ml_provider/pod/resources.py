"""CPU, memory and GPUs of a stage to a container's requests and limits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from kubernetes.client import Configuration, V1Container, V1ResourceRequirements

from airflow_ml_provider.decisions.pods.another_pod import MAX_MEMORY
from airflow_ml_provider.decisions.quantity import amount, in_bytes

RESOURCE_NAMES = {"cpu": "cpu", "memory": "memory", "gpu": "nvidia.com/gpu", "storage": "ephemeral-storage"}


def resource_requirements(resources: Mapping[str, str | int | float]) -> V1ResourceRequirements:
    """Return requests and limits; memory, storage and devices are limited to what is requested, CPU is not.

    A CPU limit throttles a container that could use idle cores, so only a request is set.

    Args:
        resources: Amounts by ``cpu``, ``memory``, ``gpu`` (NVIDIA's), ``storage``, or by a device plugin's full name
            (``amd.com/gpu``); ``max_memory`` is how far memory may be raised and is no requirement.

    Raises:
        ValueError: A name is unknown, a value is not a Kubernetes quantity, or ``max_memory`` is less than ``memory``.
    """
    quantities: dict[str, str] = {}
    for name, value in resources.items():
        if name not in (*RESOURCE_NAMES, MAX_MEMORY) and "/" not in name:
            known = ", ".join((*RESOURCE_NAMES, MAX_MEMORY))
            raise ValueError(f"resources: unknown name {name!r}; known are {known}, and full names such as amd.com/gpu")
        _require_amount(name, value)
        if name != MAX_MEMORY:
            quantities[RESOURCE_NAMES.get(name, name)] = str(value)
    if MAX_MEMORY in resources and in_bytes(resources[MAX_MEMORY]) < in_bytes(resources.get("memory", 0)):
        raise ValueError(
            f"resources.max_memory: {resources[MAX_MEMORY]!r} is less than memory, {resources['memory']!r}"
        )
    limits = {name: value for name, value in quantities.items() if name != "cpu"}
    return V1ResourceRequirements(requests=quantities, limits=limits, local_vars_configuration=_configuration())


@cache
def _configuration() -> Configuration:
    # The client would make one for every object, which costs a parse more than all else of the object.
    return Configuration()


def give_memory(container: V1Container, memory: int) -> None:
    """Set a container's memory, request and limit, in bytes."""
    given = container.resources = container.resources or V1ResourceRequirements()
    given.requests = {**(given.requests or {}), "memory": str(memory)}
    given.limits = {**(given.limits or {}), "memory": str(memory)}


def _require_amount(name: str, value: str | int | float) -> None:
    try:
        found = amount(str(value))
    except ValueError as error:
        raise ValueError(f"resources.{name}: {error}") from error
    if found <= 0:
        raise ValueError(f"resources.{name}: {value!r} is not more than 0")
