"""Kind ``tune``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from airflow_ml_provider.decisions.search_space import algorithm, objectives, search_range
from airflow_ml_provider.decisions.stage_rules import require_tune
from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import ArtifactType, Duration, Name, Quantity
from airflow_ml_provider.spec.stages import CodeStageSpec


def _range(value: Any) -> dict[str, Any]:
    search_range(value)
    return dict(value)


def _objective(value: Any) -> list[dict[str, str]]:
    return objectives(value)


def _sampler(value: Any) -> Any:
    algorithm(value, of="sampler")
    return value


def _pruner(value: Any) -> Any:
    algorithm(value, of="pruner")
    return value


_OBJECTIVE = {
    "type": "object",
    "required": ["metric", "direction"],
    "properties": {"metric": {"type": "string"}, "direction": {"enum": ["minimize", "maximize"]}},
    "additionalProperties": False,
}
_ALGORITHM = {"anyOf": [{"type": "string"}, {"type": "object", "maxProperties": 1, "minProperties": 1}]}
_RANGE = {
    "type": "object",
    "properties": {
        "int": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        "float": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        "categorical": {"type": "array", "minItems": 1},
        "log": {"type": "boolean"},
        "step": {"type": "number", "exclusiveMinimum": 0},
        "when": {"type": "object"},
    },
    "additionalProperties": False,
    "oneOf": [{"required": [kind]} for kind in ("int", "float", "categorical")],
}

SearchRange = Annotated[dict[str, Any], Checked(_range, _RANGE)]
Objectives = Annotated[
    list[dict[str, str]], Checked(_objective, {"anyOf": [_OBJECTIVE, {"type": "array", "items": _OBJECTIVE}]})
]


class TuneSpec(CodeStageSpec):
    """Searches the params with which the code gives the best metric, in many trials by several workers."""

    kind: Literal["tune"] = Field(description="What the stage does", examples=["tune"])
    outputs: dict[Name, ArtifactType] = Field(
        default={"model": "model"},
        description="What the code writes; that of a trial is thrown away with it",
        examples=[{"model": "model"}],
    )
    search: dict[Name, SearchRange] = Field(
        min_length=1,
        description="Ranges of params by name",
        examples=[{"max_depth": {"int": [2, 12]}, "learning_rate": {"float": [0.01, 0.3], "log": True}}],
    )
    objective: Objectives = Field(
        description="The metric to minimize or maximize, or a list of several",
        examples=[{"metric": "rmse", "direction": "minimize"}],
    )
    trials: int = Field(default=20, ge=1, le=100_000, description="How many trials there are", examples=[50])
    workers: int = Field(default=1, ge=1, le=1000, description="How many of them run at once", examples=[4])
    budget: Duration | None = Field(
        default=None,
        description="After this time no further trial begins, and the best so far is taken",
        examples=["2h"],
    )
    max_failed_trials: int = Field(
        default=3, ge=0, description="With more failed trials than this the stage fails", examples=[5]
    )
    sampler: Annotated[Any, Checked(_sampler, _ALGORITHM)] = Field(
        default="TPESampler",
        description="A sampler of Optuna, or {NAME: {option: value}}",
        examples=["RandomSampler", {"TPESampler": {"multivariate": True}}],
    )
    pruner: Annotated[Any, Checked(_pruner, _ALGORITHM)] = Field(
        default="NopPruner",
        description="A pruner of Optuna, for code that reports intermediate values",
        examples=["MedianPruner", {"HyperbandPruner": {"min_resource": 1}}],
    )
    seed: int | None = Field(default=None, ge=0, lt=2**32, description="Seed of the sampler", examples=[7])
    study_cpu: Quantity = Field(
        default="250m", description="CPU of the pod that holds the study, next to the workers'", examples=["500m"]
    )
    study_memory: Quantity = Field(
        default="1Gi", description="Memory of the pod that holds the study, next to the workers'", examples=["2Gi"]
    )

    param_results: ClassVar[tuple[str, ...]] = ("best_params",)
    throws_outputs_away: ClassVar[bool] = True
    argument_names: ClassVar[Mapping[str, str]] = {**CodeStageSpec.argument_names, "outputs": "trial_outputs"}

    @model_validator(mode="after")
    def _sound(self) -> TuneSpec:
        require_tune(
            search=self.search,
            objective=self.objective,
            pruner=self.pruner,
            sampler=self.sampler,
            taken={*self.inputs, *self.outputs, *self.params},
            io=self.io,
            checkpoints=self.checkpoints,
        )
        return self

    def output_types(self) -> dict[str, str]:
        """Return the study's report."""
        return {"report": "report"}

    def searched(self) -> list[str]:
        """Return the params that the search tries."""
        return [*self.search]

    def judged_metrics(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield the metrics of the objectives."""
        yield from ((("objective",), str(found["metric"])) for found in self.objective)
