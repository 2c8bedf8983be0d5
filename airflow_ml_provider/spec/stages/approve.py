"""Kind ``approve``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from airflow_ml_provider.decisions.trust.approvers import approver
from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import StageReference
from airflow_ml_provider.spec.references import Reference
from airflow_ml_provider.spec.stages import StageSpec, Surroundings

_USER = {"type": ["string", "integer"], "minLength": 1}
Approver = Annotated[
    Any,
    Checked(
        approver,
        {
            "anyOf": [
                _USER,
                {
                    "type": "object",
                    "properties": {"id": _USER, "name": _USER},
                    "required": ["id"],
                    "additionalProperties": False,
                },
            ]
        },
    ),
]


class ApproveSpec(StageSpec):
    """Asks a person whether a registered model becomes champion; runs in Airflow alone, without a process or pod."""

    kind: Literal["approve"] = Field(description="What the stage does", examples=["approve"])
    model: StageReference = Field(description="The registered model", examples=["register.model"])
    approvers: list[Approver] = Field(
        default=[],
        description="Users of Airflow who may answer, by id; anybody who may edit the run by default",
        examples=[["ada"], [{"id": 7, "name": "ada"}]],
    )
    on_timeout: Literal["reject", "approve", "fail"] = Field(
        default="reject", description="What is taken for the answer after timeout", examples=["fail"]
    )
    on_reject: Literal["skip", "fail"] = Field(
        default="skip", description="What becomes of what follows a rejection", examples=["fail"]
    )

    in_airflow: ClassVar[bool] = True
    promotes: ClassVar[bool] = True
    wanted_types: ClassVar[tuple[str, ...]] = ("registered model",)
    argument_names: ClassVar[Mapping[str, str]] = {}

    def references(self) -> dict[tuple[int | str, ...], Reference]:
        """Return the model."""
        return {("model",): self.model}

    def completed(self, name: str, around: Surroundings) -> dict[str, Any]:
        """Return whether another stage makes the version champion."""
        return {"promote": False} if around.promoted_later(self.model.stage, by_serving=True) else {}
