"""Kind ``register``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from airflow_ml_provider.spec.fields import ModelName, StageReference
from airflow_ml_provider.spec.references import Reference
from airflow_ml_provider.spec.stages import StageSpec, Surroundings


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

    def completed(self, name: str, around: Surroundings) -> dict[str, Any]:
        """Return the verdicts and the card of the evaluations before it, and whether it decides on the champion."""
        gates = around.gates_before(name)
        card = around.card_of(gates)
        return {
            **({"code": around.code} if self.loader else {}),
            "promote": not around.promoted_later(name, by_serving=False),
            "gates": [around.output(Reference(gate, "gate")) for gate in gates],
            **({"card": around.output(Reference(card, "card"))} if card else {}),
        }

    def mlflow_need(self) -> str:
        """Say what the stage needs MLflow for."""
        return "registers a model"
