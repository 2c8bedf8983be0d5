"""What a pipeline says about its stages' pods."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import STRICT, Duration, FiniteJson, Quantity

_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _object_name(value: Any) -> str:
    if not isinstance(value, str) or not _OBJECT_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a name of a Kubernetes object: use a-z, 0-9, '-' and '.', 253 at most")
    return value


def _variable(value: Any) -> str:
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        raise ValueError(f"{value!r} is not a name of an environment variable: use letters, digits and '_'")
    if value.startswith("AIRFLOW_ML_"):
        raise ValueError(f"{value!r} is the provider's own: names of variables must not start with AIRFLOW_ML_")
    return value


def _absolute(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError(f"{value!r} is not an absolute path")
    return value


ObjectName = Annotated[str, Checked(_object_name, {"type": "string", "pattern": f"^{_OBJECT_NAME.pattern}$"})]
Variable = Annotated[str, Checked(_variable, {"type": "string", "pattern": f"^{_VARIABLE.pattern}$"})]
AbsolutePath = Annotated[str, Checked(_absolute, {"type": "string", "pattern": "^/"})]


def _secret_use(value: Any) -> str | dict[str, str]:
    if isinstance(value, str) and (value == "env" or value.startswith("/")):
        return value
    if isinstance(value, dict) and value:
        return {str(key): _variable(variable) for key, variable in value.items()}
    raise ValueError(
        f"{value!r} does not say how a Secret is used: write env for all its keys as variables, a path to mount it, or "
        f"{{key: VARIABLE}}"
    )


SecretUse = Annotated[
    str | dict[str, str],
    Checked(
        _secret_use,
        {
            "anyOf": [
                {"const": "env"},
                {"type": "string", "pattern": "^/"},
                {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
            ]
        },
    ),
]


class VolumeSpec(BaseModel):
    """A volume: a claim, a folder of the node, or an empty one."""

    model_config = STRICT

    path: AbsolutePath = Field(description="Where the stage sees it", examples=["/data"])
    claim: ObjectName | None = Field(default=None, description="Name of a PersistentVolumeClaim", examples=["datasets"])
    host: AbsolutePath | None = Field(default=None, description="Folder of the node", examples=["/mnt/data"])
    empty: Quantity | None = Field(
        default=None, description="Size of an empty folder that lives with the pod", examples=["20Gi"]
    )
    read_only: bool = Field(default=False, description="Whether the stage may not write to it", examples=[True])
    sub_path: str | None = Field(default=None, description="Folder within the volume", examples=["flights"])

    @model_validator(mode="after")
    def _one_source(self) -> VolumeSpec:
        if sum(source is not None for source in (self.claim, self.host, self.empty)) != 1:
            raise ValueError("give exactly one of claim, host and empty")
        return self


class PodSpec(BaseModel):
    """How a stage's pod looks and where it runs; a stage's keys come before its pipeline's."""

    model_config = STRICT

    connection: str | None = Field(
        default=None, min_length=1, description="Airflow connection of type kubernetes", examples=["kubernetes_default"]
    )
    namespace: ObjectName | None = Field(default=None, description="Where the pods run", examples=["ml"])
    service_account: ObjectName | None = Field(
        default=None, description="The pods' ServiceAccount", examples=["ml-stage"]
    )
    template: str | None = Field(
        default=None, min_length=1, description="Pod template file, next to the pipeline", examples=["pod.yaml"]
    )
    env: dict[Variable, str] = Field(
        default={}, description="Plain variables, nothing secret", examples=[{"OMP_NUM_THREADS": "2"}]
    )
    secrets: dict[ObjectName, SecretUse] = Field(
        default={},
        description="Secrets that exist: 'env' for all keys as variables, a path to mount, or {key: VARIABLE}",
        examples=[{"s3-keys": "env"}],
    )
    volumes: dict[ObjectName, VolumeSpec] = Field(
        default={}, description="Volumes by name", examples=[{"data": {"path": "/data", "claim": "datasets"}}]
    )
    shared_memory: Quantity | None = Field(default=None, description="Size of /dev/shm", examples=["8Gi"])
    node_selector: dict[str, str] = Field(
        default={}, description="Labels of the nodes to run on", examples=[{"pool": "gpu"}]
    )
    tolerations: list[dict[str, FiniteJson]] = Field(
        default=[],
        description="As in a pod",
        examples=[[{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]],
    )
    affinity: dict[str, FiniteJson] = Field(default={}, description="As in a pod", examples=[{}])
    spot: Literal["aks", "eks", "gke", "karpenter"] | None = Field(
        default=None, description="Run on spot nodes of", examples=["gke"]
    )
    priority_class: ObjectName | None = Field(default=None, description="Name of a PriorityClass", examples=["batch"])
    queue: ObjectName | None = Field(default=None, description="Kueue's local queue", examples=["training"])
    pull_secrets: list[ObjectName] = Field(
        default=[], description="Secrets with registry logins", examples=[["registry"]]
    )
    pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None, description="When the image is pulled", examples=["IfNotPresent"]
    )
    labels: dict[str, str] = Field(default={}, description="Further labels of the pods", examples=[{"team": "ml"}])
    annotations: dict[str, str] = Field(
        default={}, description="Further annotations of the pods", examples=[{"owner": "ml@example.com"}]
    )
    deadline: Duration | None = Field(
        default=None, description="When the pod ends by itself, whoever follows it", examples=["6h"]
    )
    deferrable: bool | None = Field(
        default=None, description="Wait in the triggerer instead of a worker", examples=[True]
    )
    keep: Literal["never", "failed", "always"] | None = Field(
        default=None, description="Which pods are kept", examples=["failed"]
    )
    startup_timeout: Duration | None = Field(
        default=None, description="From having a node to running; 2m by default", examples=["10m"]
    )
    capacity_timeout: Duration | None = Field(
        default=None, description="How long to wait for a node or a quota", examples=["2h"]
    )
    max_disruptions: int | None = Field(
        default=None, ge=0, le=100, description="Evicted pods replaced in one try", examples=[5]
    )

    def over(self, other: PodSpec) -> PodSpec:
        """Return this description with what it leaves open taken from ``other``; mappings are merged key by key."""
        merged: dict[str, Any] = {}
        for name in type(self).model_fields:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, dict):
                merged[name] = {**theirs, **mine}
            else:
                merged[name] = mine if name in self.model_fields_set else theirs
        return PodSpec.model_construct(**merged)
