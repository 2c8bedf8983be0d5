"""A whole pipeline."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from airflow_ml_provider.spec.fields import STRICT, Duration, FiniteJson, Name, StoreUri
from airflow_ml_provider.spec.pod import PodSettings
from airflow_ml_provider.spec.stages import AnyStage, CodeStageSpec

DEFAULT_START = dt.date(2024, 1, 1)


class TrackingSpec(BaseModel):
    """Where runs are tracked."""

    model_config = STRICT

    connection: str = Field(default="mlflow_default", description="Airflow connection of type mlflow")
    experiment: str | None = Field(default=None, min_length=1, description="Default: the pipeline's name")


def _off(value: Any) -> Any:
    return None if value is False else value


Tracking = Annotated[TrackingSpec | None, BeforeValidator(_off)]


class PipelineSpec(BaseModel):
    """A pipeline: the YAML file as an object."""

    model_config = STRICT

    pipeline: str = Field(pattern=r"^[A-Za-z0-9_.\-]{1,200}$", description="The pipeline's name, the DAG's id")
    description: str | None = Field(default=None, description="One line in Airflow's list of DAGs")
    schedule: str | None = Field(default=None, description="cron expression or preset; leave out to start by hand")
    start_date: dt.date | None = Field(default=None, description="First day of a schedule")
    store: StoreUri | None = Field(default=None, description="Artifact store, any fsspec URI")
    runner: Literal["local", "kubernetes"] | None = Field(default=None, description="Where stages run")
    image: str | None = Field(default=None, description="Container image, for pods")
    code: str | None = Field(default=None, description="Folder of code, shipped by its digest")
    pod: PodSettings | None = Field(default=None, description="The pods of all stages")
    tracking: Tracking = Field(default=TrackingSpec(), description="MLflow, or false")
    params: dict[Name, FiniteJson] = Field(default={}, description="Params of the trigger form: {{ params.NAME }}")
    tags: list[Annotated[str, Field(max_length=100)]] = []
    retries: int = Field(default=0, ge=0, le=100, description="Further tries of a failed stage")
    retry_delay: Duration = dt.timedelta(seconds=30)
    stages: dict[Name, AnyStage] = Field(min_length=1)

    def upstream(self, stage: str) -> set[str]:
        """Return the stages that must end before ``stage`` begins."""
        spec = self.stages[stage]
        return {reference.stage for reference in spec.references().values()} | set(spec.needs)

    def code_folder(self, stage: CodeStageSpec) -> str | None:
        """Return the code folder of a stage, its own or the pipeline's."""
        return stage.code or self.code
