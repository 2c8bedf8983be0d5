"""Kind ``batch_predict``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from airflow_ml_provider.decisions.stage_rules import require_one_version
from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import ModelName, Quantity, StageReference
from airflow_ml_provider.spec.references import Reference
from airflow_ml_provider.spec.stages import StageSpec


def _version(value: Any) -> str:
    text = str(value)
    if isinstance(value, bool) or not (text.isdecimal() or "{{" in text):
        raise ValueError(f"{value!r} is not a version of a registered model: a whole number is wanted")
    return text


Version = Annotated[str, Checked(_version, {"type": ["string", "integer"], "pattern": r"^\d+$|\{\{"})]


class BatchPredictSpec(StageSpec):
    """Predicts every row of a dataset with one version of a registered model."""

    kind: Literal["batch_predict"] = Field(description="What the stage does", examples=["batch_predict"])
    model: StageReference | None = Field(
        default=None, description="The registered model of this pipeline", examples=["register.model"]
    )
    name: ModelName | None = Field(
        default=None, description="The registered model, by its name", examples=["flight_delays"]
    )
    alias: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Which version of it, champion by default",
        examples=["champion"],
    )
    version: Version | None = Field(default=None, description="Which version of it, by number", examples=[7])
    data: StageReference = Field(description="The dataset", examples=["features.test"])
    workers: int = Field(default=1, ge=1, le=1000, description="How many pods share the dataset", examples=[4])
    prediction: str = Field(
        default="prediction", min_length=1, description="Column of what is predicted", examples=["arr_delay"]
    )
    keep: list[str] | None = Field(
        default=None, description="Columns of the data that go along; all by default", examples=[["flight"]]
    )
    format: Literal["parquet", "csv", "jsonl"] = Field(
        default="parquet", description="What the predictions are written as", examples=["csv"]
    )
    batch_rows: int = Field(default=10_000, ge=1, description="How many rows the model gets at once", examples=[500])
    max_rejected: float = Field(
        default=0.0, ge=0, le=1, description="Which part of the rows may be rejected", examples=[0.01]
    )
    plan_cpu: Quantity = Field(default="100m", description="CPU of the pod that waits for workers", examples=["250m"])
    plan_memory: Quantity = Field(
        default="512Mi", description="Memory of the pod that waits for workers", examples=["1Gi"]
    )

    loads_model: ClassVar[bool] = True
    argument_names: ClassVar[Mapping[str, str]] = {"format": "output_format"}

    @model_validator(mode="after")
    def _one_model(self) -> BatchPredictSpec:
        if (self.model is None) == (self.name is None):
            raise ValueError(
                "which model? give model: STAGE.model of a register stage, or name: of one that is registered already"
            )
        require_one_version(alias=self.alias, version=self.version)
        if self.model is not None and (self.alias or self.version):
            raise ValueError("model is the version that its stage registers: alias and version go with name")
        return self

    def wanted(self, key: tuple[int | str, ...]) -> tuple[str, ...]:
        """Return what the model is, and the data."""
        return ("registered model",) if key == ("model",) else ("dataset",)

    def arguments(self) -> dict[str, Any]:
        """Return what the operator takes; a model's name stands for the model."""
        found = super().arguments()
        name = found.pop("name")
        return {**found, "model": name or found["model"]}

    def references(self) -> dict[tuple[int | str, ...], Reference]:
        """Return the data, and the model where the pipeline registers it."""
        return {("data",): self.data, **({("model",): self.model} if self.model else {})}

    def output_types(self) -> dict[str, str]:
        """Return the predictions and what was rejected."""
        return {"predictions": "dataset", "rejected": "dataset"}

    def mlflow_need(self) -> str:
        """Say what the stage needs MLflow for."""
        return "predicts with a registered one"
