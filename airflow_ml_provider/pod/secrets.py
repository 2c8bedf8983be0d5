"""Values of Kubernetes Secrets in a container's environment, by reference: Airflow never sees them."""

from __future__ import annotations

from collections.abc import Mapping

from kubernetes.client import V1EnvFromSource, V1EnvVar, V1EnvVarSource, V1SecretEnvSource, V1SecretKeySelector


def all_keys(secret: str) -> V1EnvFromSource:
    """Return every key of a Secret as a variable of that name."""
    return V1EnvFromSource(secret_ref=V1SecretEnvSource(name=secret))


def some_keys(secret: str, variables: Mapping[str, str]) -> list[V1EnvVar]:
    """Return variables that hold keys of a Secret.

    Args:
        secret: The Secret's name.
        variables: Variable names by key.
    """
    return [
        V1EnvVar(
            name=variable,
            value_from=V1EnvVarSource(secret_key_ref=V1SecretKeySelector(name=secret, key=key)),
        )
        for key, variable in sorted(variables.items())
    ]
