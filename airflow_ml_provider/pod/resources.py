"""CPU, memory and GPUs of a stage to a container's requests and limits."""

from __future__ import annotations

from collections.abc import Mapping

from kubernetes.client import V1ResourceRequirements
from kubernetes.utils.quantity import parse_quantity

RESOURCE_NAMES = {"cpu": "cpu", "memory": "memory", "gpu": "nvidia.com/gpu", "storage": "ephemeral-storage"}


def resource_requirements(resources: Mapping[str, str | int | float]) -> V1ResourceRequirements:
    """Return requests and limits; memory, storage and GPUs are limited to what is requested, CPU is not.

    A CPU limit throttles a container that could use idle cores, so only a request is set.

    Raises:
        ValueError: A name is unknown, or a value is no Kubernetes quantity.
    """
    quantities: dict[str, str] = {}
    for name, value in resources.items():
        if name not in RESOURCE_NAMES:
            raise ValueError(f"resources: unknown name {name!r}; known are {', '.join(RESOURCE_NAMES)}")
        try:
            amount = parse_quantity(str(value))
        except ValueError as error:
            raise ValueError(f"resources.{name}: {value!r} is no quantity such as 2, 500m or 4Gi") from error
        if amount <= 0:
            raise ValueError(f"resources.{name}: {value!r} is not more than 0")
        quantities[RESOURCE_NAMES[name]] = str(value)
    limits = {name: value for name, value in quantities.items() if name != "cpu"}
    return V1ResourceRequirements(requests=quantities, limits=limits)
