"""Kind ``feature_engineering``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from airflow_ml_provider.spec.fields import ArtifactType, Name
from airflow_ml_provider.spec.stages import CodeStageSpec


class FeatureEngineeringSpec(CodeStageSpec):
    """Turns datasets into features."""

    kind: Literal["feature_engineering"] = Field(description="What the stage does", examples=["feature_engineering"])
    outputs: dict[Name, ArtifactType] = Field(
        min_length=1, description="Artifact types by argument name", examples=[{"model": "model"}]
    )

    makes_data: ClassVar[bool] = True
