"""Kind ``evaluate``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from airflow_ml_provider.spec.fields import Name, ThresholdText
from airflow_ml_provider.spec.stages import CodeStageSpec, require_branch


class EvaluateSpec(CodeStageSpec):
    """Measures a model and compares its metrics with a gate."""

    kind: Literal["evaluate"] = Field(description="What the stage does", examples=["evaluate"])
    gate: dict[str, ThresholdText] = Field(
        default={}, description='Thresholds by metric, such as "< 20"', examples=[{"rmse": "< 20"}]
    )
    on_failure: Literal["fail", "warn", "branch"] = Field(
        default="fail", description="What becomes of the pipeline when the check fails", examples=["branch"]
    )
    if_failed: list[Name] = Field(
        default=[], description="With branch: stages that run only when it failed", examples=[["alert"]]
    )

    @model_validator(mode="after")
    def _sound_branch(self) -> EvaluateSpec:
        require_branch(self.on_failure, self.if_failed)
        if self.on_failure != "fail" and not self.gate:
            raise ValueError(f"on_failure: {self.on_failure} needs a gate; add one, or remove on_failure")
        return self
