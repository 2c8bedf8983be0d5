"""What the route of Home answers; the page's types are made of these."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from airflow_ml_provider.plugin.summary_answers import SummaryAnswer


class StageAnswer(BaseModel):
    """A stage of a pipeline."""

    task_id: str = Field(description="Its task")
    kind: str = Field(description="Its kind, such as train")


class RunAnswer(BaseModel):
    """A run of a pipeline."""

    run_id: str
    state: str = Field(description="The state of the DAG's run")
    run_after: datetime
    started: datetime | None = None
    ended: datetime | None = None
    stages: dict[str, str] = Field(description="States of its stages by task; those that have none are left out")


class QuestionAnswer(BaseModel):
    """A question to a person that nobody has answered, such as an approve stage's."""

    run_id: str
    task_id: str
    map_index: int
    subject: str
    asked: datetime


class PipelineAnswer(BaseModel):
    """A pipeline's card."""

    dag_id: str
    name: str
    description: str
    tags: list[str]
    owners: list[str]
    paused: bool
    schedule: str
    next_run: datetime | None = None
    problem: str = Field(description="The first mistake of its file, empty where there is none")
    stages: list[StageAnswer] = Field(description="Upstream first; none where its file has mistakes")
    runs: list[RunAnswer] = Field(description="The newest first")
    questions: list[QuestionAnswer] = Field(description="The oldest first, five at most")
    summary: SummaryAnswer = Field(description="Empty for who may not read XComs")


class HomeAnswer(BaseModel):
    """A page of the pipelines that the user may see, those that wait for an answer first."""

    total: int = Field(description="How many pipelines there are with these filters")
    offset: int = Field(description="How many of them come before")
    waiting: int = Field(
        description="How many pipelines that the user may see wait for an answer, whatever the filters"
    )
    tags: list[str] = Field(description="All tags of pipelines that the user may see")
    owners: list[str] = Field(description="All owners of pipelines that the user may see")
    pipelines: list[PipelineAnswer]
