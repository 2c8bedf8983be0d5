"""The stages of a pipeline, one model per kind; a pipeline's parse loads the kinds that it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from airflow_ml_provider.decisions.stage_rules import require_code, require_different_names
from airflow_ml_provider.spec.fields import (
    STRICT,
    ArtifactType,
    Duration,
    EntryPoint,
    ImageName,
    Name,
    StageReference,
)
from airflow_ml_provider.spec.lazy_parts import CacheSetting, PodSettings, StageResources
from airflow_ml_provider.spec.params import Params, ParamsField
from airflow_ml_provider.spec.references import Reference

if TYPE_CHECKING:
    from airflow_ml_provider.spec.stages.approve import ApproveSpec
    from airflow_ml_provider.spec.stages.batch_predict import BatchPredictSpec
    from airflow_ml_provider.spec.stages.container import ContainerSpec
    from airflow_ml_provider.spec.stages.evaluate import EvaluateSpec
    from airflow_ml_provider.spec.stages.feature_engineering import FeatureEngineeringSpec
    from airflow_ml_provider.spec.stages.ingest import IngestSpec
    from airflow_ml_provider.spec.stages.monitor import MonitorSpec
    from airflow_ml_provider.spec.stages.register import RegisterSpec
    from airflow_ml_provider.spec.stages.serve import ServeSpec
    from airflow_ml_provider.spec.stages.train import TrainSpec
    from airflow_ml_provider.spec.stages.tune import TuneSpec
    from airflow_ml_provider.spec.stages.validate import ValidateSpec

__all__ = [
    "ApproveSpec",
    "BatchPredictSpec",
    "CodeStageSpec",
    "ContainerSpec",
    "EvaluateSpec",
    "FeatureEngineeringSpec",
    "IngestSpec",
    "MonitorSpec",
    "RegisterSpec",
    "ServeSpec",
    "StageSpec",
    "TrainSpec",
    "TuneSpec",
    "ValidateSpec",
]

_MODULES = {
    "IngestSpec": "ingest",
    "ValidateSpec": "validate",
    "FeatureEngineeringSpec": "feature_engineering",
    "TrainSpec": "train",
    "TuneSpec": "tune",
    "EvaluateSpec": "evaluate",
    "RegisterSpec": "register",
    "ApproveSpec": "approve",
    "ServeSpec": "serve",
    "BatchPredictSpec": "batch_predict",
    "MonitorSpec": "monitor",
    "ContainerSpec": "container",
}


class Surroundings(Protocol):
    """What a stage's arguments take from the rest of its pipeline."""

    @property
    def code(self) -> str | None:
        """The pipeline's folder of code."""

    def output(self, reference: Reference) -> Any:
        """Return what stands for an output of another stage."""

    def champion_of(self, stage: str) -> str | None:
        """Return the registered model whose champion an evaluate stage compares with."""

    def gates_before(self, register: str) -> list[str]:
        """Return the stages whose gates a register stage needs."""

    def card_of(self, gates: Sequence[str]) -> str | None:
        """Return the last of some stages that put out a model card."""

    def promoted_later(self, register: str, *, by_serving: bool) -> bool:
        """Whether what a stage registers becomes champion in a later one, or in a later one that serves it."""


class StageSpec(BaseModel):
    """What all kinds share."""

    model_config = ConfigDict(**STRICT, arbitrary_types_allowed=True)

    kind: str = Field(description="What the stage does", examples=["train"])
    needs: list[Name] = Field(
        default=[], description="Stages that must end first, without data from them", examples=[["check"]]
    )
    retries: int | None = Field(default=None, ge=0, le=100, description="Further tries of a failed stage", examples=[2])
    retry_delay: Duration | None = Field(
        default=None, description="Wait before a further try, such as 30s", examples=["30s"]
    )
    timeout: Duration | None = Field(default=None, description="The longest time one try may take", examples=["2h"])
    runner: Literal["local", "kubernetes"] | None = Field(
        default=None, description="Where the stage runs", examples=["kubernetes"]
    )
    image: ImageName | None = Field(default=None, description="Container image, for pods", examples=["ml/stage:1.4"])
    resources: StageResources | None = Field(
        default=None, description="CPU, memory and GPUs, for pods", examples=[{"cpu": 2, "memory": "4Gi"}]
    )
    pod: PodSettings | None = Field(
        default=None, description="The stage's pod, before the pipeline's", examples=[{"spot": "gke"}]
    )
    cache: CacheSetting | None = Field(
        default=None, description="Whether an earlier result of the same work is taken", examples=[True, {"ttl": "7d"}]
    )
    no_retry: list[Literal["bad_data", "out_of_memory", "user_code"]] = Field(
        default=[], description="Kinds of failure after which no retry is wanted", examples=[["bad_data"]]
    )
    doc: str | None = Field(
        default=None, description="Shown on the task in Airflow's UI", examples=["Trains the model."]
    )

    wanted_types: ClassVar[tuple[str, ...]] = ()
    """Types of artifacts that inputs may have, the usual one first; empty for any."""
    loads_model: ClassVar[bool] = False
    """Whether it loads a registered model, which may import the pipeline's code."""
    in_airflow: ClassVar[bool] = False
    """Whether it runs in Airflow alone, without a process or pod of its own."""
    makes_data: ClassVar[bool] = False
    """Whether its outputs are of use to other stages only; a model or a report is a result by itself."""
    promotes: ClassVar[bool] = False
    """Whether it makes a registered model, its reference ``model``, the champion."""
    serves: ClassVar[bool] = False
    """Whether it serves a registered model, its reference ``model``."""
    emits_events: ClassVar[bool] = False
    """Whether other pipelines are started by its events."""
    throws_outputs_away: ClassVar[bool] = False
    """Whether what its code writes to outputs is thrown away."""
    param_results: ClassVar[tuple[str, ...]] = ()
    """Results that hold params for other stages."""
    argument_names: ClassVar[Mapping[str, str]] = {}
    value_fields: ClassVar[frozenset[str]] = frozenset()
    """Keys of a kind of your own in which a template may bring any value: they name nothing and are no URI."""
    """Arguments of the operator that are called otherwise than their key here."""

    def arguments(self) -> dict[str, Any]:
        """Return what this kind's operator takes next to what all stages share; references stand for outputs."""
        own = (name for name in type(self).model_fields if name not in StageSpec.model_fields)
        return {self.argument_names.get(name, name): getattr(self, name) for name in own}

    def completed(self, name: str, around: Surroundings) -> dict[str, Any]:
        """Return further arguments of the operator, which depend on the rest of the pipeline.

        Args:
            name: The stage's name.
            around: The pipeline.
        """
        return {"code": around.code} if self.loads_model else {}

    def mlflow_need(self) -> str:
        """Say what the stage needs MLflow for, empty when it can do without."""
        return ""

    def searched(self) -> list[str]:
        """Return the arguments of the code that a search tries."""
        return []

    def judged_metrics(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield the metrics of the code that the stage judges by, each with the key that names it."""
        yield from ()

    def branch(self) -> Sequence[str]:
        """Return the stages that run only when a check of this one failed."""
        return ()

    def suite_file(self) -> str:
        """Return the suite that the stage checks data with, empty when it has none."""
        return ""

    def source_uri(self) -> str:
        """Return the URI that the stage copies files from, empty when it copies none."""
        return ""

    def wanted(self, key: tuple[int | str, ...]) -> tuple[str, ...]:
        """Return the types of artifacts that the reference at a key may name, the usual one first; empty for any."""
        return self.wanted_types

    def references(self) -> dict[tuple[int | str, ...], Reference]:
        """Return every reference to another stage by its key path below the stage."""
        return {}

    def output_types(self) -> dict[str, str]:
        """Return the artifact type of each output."""
        return {}


class CodeStageSpec(StageSpec):
    """A stage that runs the user's code."""

    run: EntryPoint | None = Field(
        default=None, description="module:function of plain Python code", examples=["flights.stages:train"]
    )
    command: list[str] | None = Field(
        default=None, min_length=1, description="A command in any language", examples=[["node", "train.js"]]
    )
    code: str | None = Field(default=None, description="Folder of code, shipped by its digest", examples=["./flights"])
    inputs: dict[Name, StageReference] = Field(
        default={}, description="Artifacts by argument name", examples=[{"train": "features.train"}]
    )
    outputs: dict[Name, ArtifactType] = Field(
        default={}, description="Artifact types by argument name", examples=[{"model": "model"}]
    )
    params: ParamsField = Field(
        default=Params(),
        description="Keyword arguments, JSON values; or a reference to what a tune stage found, or a list of both",
        examples=[{"max_depth": 6}, "tune.best_params", ["tune.best_params", {"seed": 7}]],
    )
    io: Literal["direct", "staged"] | None = Field(
        default=None,
        description="Who fetches and commits in a pod: the stage's container, or two around it",
        examples=["staged"],
    )
    strict_metrics: bool = Field(
        default=False,
        description="Fail where the code measures what cannot be kept as a metric, instead of leaving it out",
        examples=[True],
    )
    checkpoints: Duration | None = Field(
        default=None,
        description="How often the stage's folder of checkpoints is brought to the store",
        examples=["10m"],
    )

    needs_code: ClassVar[bool] = True
    argument_names: ClassVar[Mapping[str, str]] = {"params": "hyperparameters"}

    @model_validator(mode="after")
    def _one_action(self) -> CodeStageSpec:
        require_code(
            run=self.run,
            command=self.command,
            io=self.io,
            checkpoints=self.checkpoints,
            may_lack=not self.needs_code,
        )
        require_different_names(self.inputs, self.outputs, self.params)
        return self

    def references(self) -> dict[tuple[int | str, ...], Reference]:
        """Return the inputs, and where params come from."""
        return {
            **{("inputs", name): reference for name, reference in self.inputs.items()},
            **{("params", *place): reference for place, reference in self.params.references.items()},
        }

    def output_types(self) -> dict[str, str]:
        """Return the declared outputs."""
        return dict(self.outputs)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
