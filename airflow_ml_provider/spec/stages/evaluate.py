"""Kind ``evaluate``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from airflow_ml_provider.decisions.models.gate import Threshold
from airflow_ml_provider.decisions.models.gate_rules import CHAMPION, WORST_SLICE, Gate, GateError
from airflow_ml_provider.decisions.stage_rules import require_branch, require_evaluation
from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import ModelName, Name
from airflow_ml_provider.spec.stages import CodeStageSpec, Surroundings


def _gate(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f'{value!r} is not a gate: write a mapping such as {{rmse: "< 20"}}')
    try:
        Gate.read(value)
    except GateError as error:
        problem = PydanticCustomError("gate", "{message}", {"message": str(error)})
        details = InitErrorDetails(type=problem, loc=error.where, input=value)
        raise ValidationError.from_exception_data("gate", [details]) from error
    return dict(value)


_THRESHOLD = {"type": "string", "pattern": "^ *(<=|>=|<|>)"}
_TOLERANCE = {"type": "string", "pattern": "^ *(at most|at least|better|not worse)"}
GateField = Annotated[
    dict[str, Any],
    Checked(
        _gate,
        {
            "type": "object",
            "properties": {
                "champion": {"type": "object", "additionalProperties": _TOLERANCE},
                "worst_slice": {"type": "object", "additionalProperties": _THRESHOLD},
            },
            "additionalProperties": _THRESHOLD,
        },
    ),
]


class EvaluateSpec(CodeStageSpec):
    """Measures a model, by code or by its predictions, and compares its metrics with a gate."""

    kind: Literal["evaluate"] = Field(description="What the stage does", examples=["evaluate"])
    gate: GateField = Field(
        default={},
        description="Thresholds by metric, of the worst slice, and how much worse than the champion a metric may be",
        examples=[{"rmse": "< 20", "champion": {"rmse": "at most 1% worse"}, "worst_slice": {"rmse": "< 40"}}],
    )
    champion_of: ModelName | None = Field(
        default=None,
        description="The registered model whose champion is compared; default is that of the register stage",
        examples=["flight_delays"],
    )
    task: Literal["regression", "classification", "clustering", "ranking"] | None = Field(
        default=None, description="Which metrics are made of predictions", examples=["regression"]
    )
    target: str = Field(
        default="target", min_length=1, description="Column of what was to be predicted", examples=["arr_delay"]
    )
    prediction: str = Field(
        default="prediction", min_length=1, description="Column of what was predicted", examples=["prediction"]
    )
    by: list[str] = Field(
        default=[], description="Columns whose values cut the data into slices", examples=[["carrier"]]
    )
    min_slice_rows: int = Field(default=30, ge=1, description="Slices of fewer rows are left out", examples=[100])
    confidence: float | None = Field(
        default=None,
        gt=0.5,
        lt=1,
        description="With which confidence a difference to the champion is within its tolerance, by bootstrap",
        examples=[0.95],
    )
    space: str | list[str] | None = Field(
        default=None,
        description="Of clustering, the columns in which the silhouette is measured, or an output that the code writes",
        examples=[["x", "y"], "embedding"],
    )
    on_failure: Literal["fail", "warn", "branch"] = Field(
        default="fail", description="What becomes of the pipeline when the check fails", examples=["branch"]
    )
    if_failed: list[Name] = Field(
        default=[], description="With branch: stages that run only when it failed", examples=[["alert"]]
    )

    needs_code: ClassVar[bool] = False

    @model_validator(mode="after")
    def _sound(self) -> EvaluateSpec:
        require_branch(self.on_failure, self.if_failed)
        require_evaluation(
            runs_code=bool(self.run or self.command),
            task=self.task,
            gate=self.gate,
            by=self.by,
            confidence=self.confidence,
            space=self.space,
            on_failure=self.on_failure,
            io=self.io,
        )
        return self

    @property
    def uses_body(self) -> bool:
        """Whether more is done than to run the code and to compare what it returned."""
        return self.task is not None or CHAMPION in self.gate

    def output_types(self) -> dict[str, str]:
        """Return the declared outputs, and the model card where there is one."""
        return {**super().output_types(), **({"card": "report"} if self.uses_body else {})}

    def completed(self, name: str, around: Surroundings) -> dict[str, Any]:
        """Return the model whose champion is compared."""
        return {"champion_of": around.champion_of(name)} if CHAMPION in self.gate else {}

    def mlflow_need(self) -> str:
        """Say what the stage needs MLflow for: the champion is there."""
        return "compares with the champion" if CHAMPION in self.gate else ""

    def branch(self) -> Sequence[str]:
        """Return the stages that run only when the gate is not passed."""
        return self.if_failed

    def judged_metrics(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield the metrics of the gate; with a task what is made of predictions is among them too."""
        for metric, threshold in self.gate.items() if self.task is None else ():
            if metric == CHAMPION:
                yield from ((("gate", CHAMPION, name), name) for name in threshold)
            elif metric != WORST_SLICE:
                limit = Threshold.parse(threshold).limit
                yield from ((("gate", metric), name) for name in (metric, limit) if isinstance(name, str))
