"""Kind ``validate``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from airflow_ml_provider.decisions.stage_rules import require_branch, require_validate
from airflow_ml_provider.spec.fields import Name, StageReference
from airflow_ml_provider.spec.references import Reference
from airflow_ml_provider.spec.stages import StageSpec


class ValidateSpec(StageSpec):
    """Checks a dataset with a Great Expectations suite and passes it on unchanged."""

    kind: Literal["validate"] = Field(description="What the stage does", examples=["validate"])
    inputs: dict[Name, StageReference] = Field(
        min_length=1, max_length=1, description="The dataset to check", examples=[{"train": "features.train"}]
    )
    suite: str = Field(min_length=1, description="JSON file of the suite", examples=["suites/flights.json"])
    on_failure: Literal["fail", "warn", "branch"] = Field(
        default="fail", description="What becomes of the pipeline when the check fails", examples=["branch"]
    )
    if_failed: list[Name] = Field(
        default=[], description="With branch: stages that run only when it failed", examples=[["alert"]]
    )

    wanted_types: ClassVar[tuple[str, ...]] = ("dataset", "directory", "file")

    @model_validator(mode="after")
    def _sound(self) -> ValidateSpec:
        require_validate(self.inputs)
        require_branch(self.on_failure, self.if_failed)
        return self

    def references(self) -> dict[tuple[int | str, ...], Reference]:
        """Return the input."""
        return {("inputs", name): reference for name, reference in self.inputs.items()}

    def output_types(self) -> dict[str, str]:
        """Return the dataset that is passed on, and the report."""
        return {**dict.fromkeys(self.inputs, "dataset"), "report": "report"}

    def branch(self) -> Sequence[str]:
        """Return the stages that run only when the suite is not met."""
        return self.if_failed

    def suite_file(self) -> str:
        """Return the suite."""
        return self.suite
