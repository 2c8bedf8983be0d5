"""The stages of a pipeline, one model a kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from airflow_ml_provider.spec.fields import (
    STRICT,
    ArtifactType,
    Duration,
    EntryPoint,
    FiniteJson,
    ImageName,
    ModelName,
    Name,
    StageReference,
    ThresholdText,
)
from airflow_ml_provider.spec.lazy_parts import CacheSetting, PodSettings, StageResources
from airflow_ml_provider.spec.references import Reference


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
    argument_names: ClassVar[Mapping[str, str]] = {}
    """Arguments of the operator that are called otherwise than their key here."""

    def arguments(self) -> dict[str, Any]:
        """Return what this kind's operator takes beside what all stages share; references stand for outputs."""
        own = (name for name in type(self).model_fields if name not in StageSpec.model_fields)
        return {self.argument_names.get(name, name): getattr(self, name) for name in own}

    def references(self) -> dict[tuple[str, ...], Reference]:
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
    params: dict[Name, FiniteJson] = Field(
        default={}, description="Keyword arguments, JSON values", examples=[{"max_depth": 6}]
    )
    io: Literal["direct", "staged"] | None = Field(
        default=None,
        description="Who fetches and commits in a pod: the stage's container, or two around it",
        examples=["staged"],
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
        if self.run and self.command:
            raise ValueError("give run or command, not both")
        if self.needs_code and not (self.run or self.command):
            raise ValueError("nothing to run: give run: module:function or command: [...]")
        if self.io == "staged" and not (self.run or self.command):
            raise ValueError("io: staged is for run and command")
        if self.checkpoints and not (self.run or self.command):
            raise ValueError("checkpoints are for run and command")
        if self.checkpoints and (self.io == "staged" or (self.command and not self.io)):
            raise ValueError("checkpoints need io: direct, since somebody has to bring them to the store meanwhile")
        shared = sorted(
            (self.inputs.keys() & self.outputs.keys())
            | (self.inputs.keys() & self.params.keys())
            | (self.outputs.keys() & self.params.keys())
        )
        if shared:
            raise ValueError(f"{shared[0]!r} names two of input, output and param; all are arguments of one function")
        return self

    def references(self) -> dict[tuple[str, ...], Reference]:
        """Return the inputs."""
        return {("inputs", name): reference for name, reference in self.inputs.items()}

    def output_types(self) -> dict[str, str]:
        """Return the declared outputs."""
        return dict(self.outputs)


class IngestSpec(CodeStageSpec):
    """Brings data into the store: files of a URI pattern, or code that fetches it."""

    kind: Literal["ingest"] = Field(description="What the stage does", examples=["ingest"])
    uri: str | None = Field(
        default=None,
        min_length=1,
        description="fsspec URI or relative path, with * and **",
        examples=["s3://raw/flights/*.csv"],
    )
    outputs: dict[Name, ArtifactType] = Field(
        default={"data": "dataset"},
        description="With code: artifact types by argument name",
        examples=[{"model": "model"}],
    )

    needs_code: ClassVar[bool] = False

    @model_validator(mode="after")
    def _one_source(self) -> IngestSpec:
        if bool(self.uri) == bool(self.run or self.command):
            raise ValueError("give uri, or code that fetches the data")
        if self.uri and set(self.outputs) != {"data"}:
            raise ValueError("with uri the one output is 'data'")
        return self


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
        if "report" in self.inputs:
            raise ValueError("the input must not be named 'report', which is the name of an output")
        _require_branch(self.on_failure, self.if_failed)
        return self

    def references(self) -> dict[tuple[str, ...], Reference]:
        """Return the input."""
        return {("inputs", name): reference for name, reference in self.inputs.items()}

    def output_types(self) -> dict[str, str]:
        """Return the dataset that is passed on, and the report."""
        return {**dict.fromkeys(self.inputs, "dataset"), "report": "report"}


class FeatureEngineeringSpec(CodeStageSpec):
    """Turns datasets into features."""

    kind: Literal["feature_engineering"] = Field(description="What the stage does", examples=["feature_engineering"])
    outputs: dict[Name, ArtifactType] = Field(
        min_length=1, description="Artifact types by argument name", examples=[{"model": "model"}]
    )


class TrainSpec(CodeStageSpec):
    """Trains a model."""

    kind: Literal["train"] = Field(description="What the stage does", examples=["train"])
    outputs: dict[Name, ArtifactType] = Field(
        default={"model": "model"},
        min_length=1,
        description="Artifact types by argument name",
        examples=[{"model": "model"}],
    )


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
        _require_branch(self.on_failure, self.if_failed)
        if self.on_failure != "fail" and not self.gate:
            raise ValueError(f"on_failure: {self.on_failure} needs a gate; add one, or remove on_failure")
        return self


class RegisterSpec(StageSpec):
    """Registers a model in MLflow; champion when the gates of the evaluate stages it needs passed."""

    kind: Literal["register"] = Field(description="What the stage does", examples=["register"])
    model: StageReference = Field(description="The model to register", examples=["train.model"])
    name: ModelName = Field(description="The registered model's name", examples=["flight_delays"])

    wanted_types: ClassVar[tuple[str, ...]] = ("model", "directory")
    argument_names: ClassVar[Mapping[str, str]] = {"name": "model_name"}

    def references(self) -> dict[tuple[str, ...], Reference]:
        """Return the model."""
        return {("model",): self.model}


class ContainerSpec(CodeStageSpec):
    """Any command or function that is none of the other kinds."""

    kind: Literal["container"] = Field(description="What the stage does", examples=["container"])


def _require_branch(on_failure: str, if_failed: list[str]) -> None:
    if if_failed and on_failure != "branch":
        raise ValueError("if_failed goes with on_failure: branch; add that, or remove if_failed")
