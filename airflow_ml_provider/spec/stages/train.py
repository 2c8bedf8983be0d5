"""Kind ``train``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from airflow_ml_provider.spec.fields import ArtifactType, Name
from airflow_ml_provider.spec.stages import CodeStageSpec


class TrainSpec(CodeStageSpec):
    """Trains a model."""

    kind: Literal["train"] = Field(description="What the stage does", examples=["train"])
    outputs: dict[Name, ArtifactType] = Field(
        default={"model": "model"},
        min_length=1,
        description="Artifact types by argument name",
        examples=[{"model": "model"}],
    )
