"""A whole pipeline."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field

from airflow_ml_provider.decisions.trust.param_schemas import ParamSchema, param_of
from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import (
    STRICT,
    Duration,
    ImageName,
    Name,
    PipelineName,
    PipelineParam,
    StartDate,
    StoreUri,
)
from airflow_ml_provider.spec.kinds import AnyStage
from airflow_ml_provider.spec.lazy_parts import CacheSetting, PodSettings, Schedule, Sources
from airflow_ml_provider.spec.stages import CodeStageSpec

if TYPE_CHECKING:
    from airflow_ml_provider.spec.partition_schedule import PartitionSchedule

SOURCES = "sources"
"""What a reference to a source begins with."""
DEFAULT_START = dt.date(2024, 1, 1)


class TrackingSpec(BaseModel):
    """Where runs are tracked."""

    model_config = STRICT

    connection: str = Field(
        default="mlflow_default", description="Airflow connection of type mlflow", examples=["mlflow_default"]
    )
    experiment: str | None = Field(
        default=None, min_length=1, description="Default: the pipeline's name", examples=["flight delays"]
    )


def _tracking(value: Any) -> TrackingSpec | None:
    if value is None or value is False:
        return None
    return value if isinstance(value, TrackingSpec) else TrackingSpec.model_validate(value)


Tracking = Annotated[
    TrackingSpec | None,
    Checked(_tracking, {"anyOf": [{"x-definition": "TrackingSpec"}, {"const": False}, {"type": "null"}]}),
]


class PipelineSpec(BaseModel):
    """A pipeline: the YAML file as an object."""

    model_config = STRICT

    pipeline: PipelineName = Field(description="The pipeline's name, the DAG's id", examples=["flight_delays"])
    description: str | None = Field(
        default=None, description="One line in Airflow's list of DAGs", examples=["Predicts arrival delays"]
    )
    schedule: Schedule | None = Field(
        default=None,
        description="cron expression, preset, new data, drift, or a partition at a time; leave out to start by hand",
        examples=[
            "@daily",
            "0 6 * * 1-5",
            {"data": "flights"},
            {"drift": "flights_watch.monitor"},
            {"cron": "@monthly", "partition": "%Y-%m"},
        ],
    )
    start_date: StartDate | None = Field(default=None, description="First day of a schedule", examples=["2024-01-01"])
    store: StoreUri | None = Field(
        default=None, description="Artifact store, any fsspec URI", examples=["s3://artifacts/ml"]
    )
    runner: Literal["local", "kubernetes"] | None = Field(
        default=None, description="Where stages run", examples=["kubernetes"]
    )
    image: ImageName | None = Field(default=None, description="Container image, for pods", examples=["ml/stage:1.4"])
    code: str | None = Field(default=None, description="Folder of code, shipped by its digest", examples=["./flights"])
    pod: PodSettings | None = Field(default=None, description="The pods of all stages", examples=[{"namespace": "ml"}])
    sources: Sources = Field(
        default={},
        description="Where new data comes from, by name: stages read sources.NAME",
        examples=[{"flights": {"uri": "s3://raw/flights/*.csv", "settle": "2m"}}],
    )
    cache: CacheSetting = Field(
        default=False,
        description="Whether earlier results of the same work are taken, in all stages that do not say otherwise",
        examples=[True, {"ttl": "7d"}],
    )
    tracking: Tracking = Field(
        default=TrackingSpec(), description="MLflow, or false", examples=[{"experiment": "flights"}, False]
    )
    params: dict[Name, PipelineParam] = Field(
        default={},
        description="Params of the trigger form: {{ params.NAME }}; a value, or a schema with a default",
        examples=[{"data": "data/*.csv", "depth": {"type": "integer", "minimum": 1, "default": 4}}],
    )
    tags: list[Annotated[str, Field(max_length=100)]] = Field(
        default=[], description="Tags of the DAG, next to ml", examples=[["forecasting"]]
    )
    retries: int = Field(default=0, ge=0, le=100, description="Further tries of a failed stage", examples=[2])
    retry_delay: Duration = Field(
        default=dt.timedelta(seconds=30), description="Wait before a further try", examples=["30s"]
    )
    stages: dict[Name, AnyStage] = Field(
        min_length=1,
        description="The stages by name, the ids of their tasks",
        examples=[{"train": {"kind": "train", "run": "flights.stages:train"}}],
    )

    def caches(self, stage: str) -> bool:
        """Whether earlier results of a stage are taken."""
        said = self.stages[stage].cache
        return (self.cache if said is None else said) is not False

    def param_schemas(self) -> dict[str, ParamSchema]:
        """Return the params by name, each with which values it takes."""
        return {name: param_of(value) for name, value in self.params.items()}

    def upstream(self, stage: str) -> set[str]:
        """Return the stages that must end before ``stage`` begins."""
        spec = self.stages[stage]
        read = {reference.stage for reference in spec.references().values()} - {SOURCES}
        return read | set(spec.needs)

    def reads_sources(self, stage: str) -> bool:
        """Whether a stage reads new data itself."""
        return any(reference.stage == SOURCES for reference in self.stages[stage].references().values())

    @property
    def data_schedule(self) -> str | None:
        """The source whose new data starts a run; ``None`` when something else does, or nothing."""
        name: str | None = getattr(self.schedule, "data", None)
        return name

    @property
    def drift_schedule(self) -> tuple[str, str] | None:
        """The pipeline and monitor stage whose broken limits start a run; ``None`` when something else does."""
        monitor: str | None = getattr(self.schedule, "drift", None)
        if monitor is None:
            return None
        pipeline, _, stage = monitor.rpartition(".")
        return pipeline, stage

    @property
    def partition_schedule(self) -> PartitionSchedule | None:
        """The schedule whose runs have a partition each; ``None`` when the pipeline has another, or none."""
        schedule: Any = self.schedule
        return schedule if not isinstance(schedule, str) and hasattr(schedule, "partition") else None

    def pod_templates(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Return the key paths and values of all pod templates."""
        if self.pod and self.pod.template:
            yield ("pod", "template"), self.pod.template
        for name, stage in self.stages.items():
            if stage.pod and stage.pod.template:
                yield ("stages", name, "pod", "template"), stage.pod.template

    def code_folder(self, stage: CodeStageSpec) -> str | None:
        """Return the code folder of a stage, its own or the pipeline's."""
        return stage.code or self.code
