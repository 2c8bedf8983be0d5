"""Kind ``monitor``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from airflow_ml_provider.decisions.limits import require_known
from airflow_ml_provider.decisions.models.gate import Threshold
from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import Duration, StageReference
from airflow_ml_provider.spec.references import Reference
from airflow_ml_provider.spec.stages import StageSpec


def _limits(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError(f'{value!r} is not a mapping of limits: write such as {{drifted_share: "< 0.5"}}')
    for text in value.values():
        Threshold.parse(text)
    return dict(value)


class MonitorSpec(StageSpec):
    """Compares what came in with a reference, and emits an asset event when limits are broken."""

    kind: Literal["monitor"] = Field(description="What the stage does", examples=["monitor"])
    reference: StageReference = Field(
        description="The dataset that the model was trained on", examples=["features.train"]
    )
    current: StageReference = Field(description="What came in lately", examples=["sources.requests"])
    limits: Annotated[
        dict[str, str],
        Checked(_limits, {"type": "object", "additionalProperties": {"type": "string", "pattern": "^ *(<=|>=|<|>)"}}),
    ] = Field(
        default={"drifted_share": "< 0.5"},
        description="Thresholds by metric; when one is broken there is an event",
        examples=[{"drifted_share": "< 0.3", "missing_share": "< 0.05", "rmse": "< 25"}],
    )
    columns: list[str] = Field(
        default=[], description="Columns to compare; all that both have by default", examples=[["dep_delay"]]
    )
    ignore: list[str] = Field(default=[], description="Columns that are not compared", examples=[["request_id"]])
    task: Literal["regression", "classification", "clustering", "ranking"] | None = Field(
        default=None, description="Which metrics are made where outcomes are known", examples=["regression"]
    )
    target: str = Field(default="target", min_length=1, description="Column of the outcome", examples=["arr_delay"])
    prediction: str = Field(
        default="prediction", min_length=1, description="Column of what was predicted", examples=["prediction"]
    )
    engine: Literal["auto", "evidently", "light"] = Field(
        default="auto", description="Whose tests are used; auto: Evidently's where it is there", examples=["light"]
    )
    cooldown: Duration = Field(
        default=timedelta(days=1), description="How long after an event there is no other one", examples=["7d"]
    )
    on_alarm: Literal["event", "fail"] = Field(
        default="event", description="What becomes of the task when limits are broken", examples=["fail"]
    )
    partition: str = Field(
        default="", description="What the current data is a part of, reported with the event", examples=["{{ ds }}"]
    )

    wanted_types: ClassVar[tuple[str, ...]] = ("dataset",)
    emits_events: ClassVar[bool] = True

    @model_validator(mode="after")
    def _known_limits(self) -> MonitorSpec:
        require_known(self.limits, task=self.task)
        return self

    def references(self) -> dict[tuple[int | str, ...], Reference]:
        """Return the two datasets."""
        return {("reference",): self.reference, ("current",): self.current}

    def output_types(self) -> dict[str, str]:
        """Return the report."""
        return {"report": "report"}
