"""Kind ``register``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from airflow_ml_provider.spec.fields import ModelName, StageReference
from airflow_ml_provider.spec.references import Reference
from airflow_ml_provider.spec.stages import StageSpec


class RegisterSpec(StageSpec):
    """Registers a model in MLflow; champion when the gates of the evaluate stages it needs passed."""

    kind: Literal["register"] = Field(description="What the stage does", examples=["register"])
    model: StageReference = Field(description="The model to register", examples=["train.model"])
    name: ModelName = Field(description="The registered model's name", examples=["flight_delays"])

    loader: str = Field(
        default="",
        pattern=r"^$|^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$",
        description="Module of code whose _load_pyfunc(path) loads a model that is a plain folder",
        examples=["flights.loading"],
    )

    loads_model: ClassVar[bool] = True
    wanted_types: ClassVar[tuple[str, ...]] = ("model", "directory")
    argument_names: ClassVar[Mapping[str, str]] = {"name": "model_name"}

    def references(self) -> dict[tuple[int | str, ...], Reference]:
        """Return the model."""
        return {("model",): self.model}

    def output_types(self) -> dict[str, str]:
        """Return the registered model, which is a name and a version."""
        return {"model": "registered model"}
