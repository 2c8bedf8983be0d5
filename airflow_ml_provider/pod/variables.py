"""Environment variables of a container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kubernetes.client import V1EnvVar

TERMINATION_LOG = "/dev/termination-log"


def with_variables(given: Sequence[V1EnvVar] | None, ours: Mapping[str, str]) -> list[V1EnvVar]:
    """Return the variables of a container with ours in place of those of the same names."""
    return [
        *(variable for variable in given or () if variable.name not in ours),
        *(V1EnvVar(name=name, value=literal(value)) for name, value in ours.items()),
    ]


def literal(value: str) -> str:
    """Return a value such that the container gets it as it is.

    Kubernetes expands $(NAME) in values and commands, and makes one dollar sign of every two.
    """
    return value.replace("$", "$$")
