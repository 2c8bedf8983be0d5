"""CPU, memory and GPUs of a stage."""

from __future__ import annotations

from pydantic import BaseModel, Field, model_validator

from airflow_ml_provider.decisions.quantity import amount
from airflow_ml_provider.spec.fields import STRICT, Count, Quantity


class Resources(BaseModel):
    """What a stage's pod gets; the local runner has no use for it."""

    model_config = STRICT

    cpu: Quantity | None = Field(default=None, description="CPUs that the pod asks for", examples=[2, "500m"])
    memory: Quantity | None = Field(default=None, description="Memory, as request and limit", examples=["4Gi"])
    gpu: Count | None = Field(default=None, description="GPUs (nvidia.com/gpu)", examples=[1])
    storage: Quantity | None = Field(default=None, description="Ephemeral storage", examples=["20Gi"])
    max_memory: Quantity | None = Field(
        default=None, description="A pod that ran out of memory gets twice as much, up to this", examples=["16Gi"]
    )

    @model_validator(mode="after")
    def _room_to_grow(self) -> Resources:
        if self.max_memory and amount(self.max_memory) < amount(self.memory or "0"):
            raise ValueError(f"max_memory: {self.max_memory} is less than memory, {self.memory}")
        return self
