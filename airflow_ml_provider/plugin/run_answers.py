"""What the route of a run answers; the page's types are made of these."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from airflow_ml_provider.plugin.home_answers import QuestionAnswer, StageAnswer


class ReuseAnswer(BaseModel):
    """Whether an earlier result was taken."""

    reused: bool
    reason: str = Field(description="Why it was, or why the stage runs")


class FailureAnswer(BaseModel):
    """Why a stage failed."""

    error: str = Field(description="The class of the error, such as StageOutOfMemoryError")
    message: str = Field(description="Its first line")


class VerdictAnswer(BaseModel):
    """What a gate, a check or a monitor's limits said."""

    name: str = Field(description="gate, or limits")
    passed: bool
    reasons: list[str]


class OutputAnswer(BaseModel):
    """An artifact that a stage committed."""

    name: str
    type: str
    uri: str
    digest: str
    size: int = Field(description="In bytes")


class LinkAnswer(BaseModel):
    """An address of another system."""

    name: str
    url: str


class InstanceAnswer(BaseModel):
    """A task instance of a stage."""

    map_index: int = Field(description="Its element, -1 of a task that is not mapped")
    state: str = Field(description="Airflow's state, empty before there is one")
    try_number: int
    started: datetime | None = None
    ended: datetime | None = None
    reuse: ReuseAnswer | None = None
    failure: FailureAnswer | None = None
    metrics: dict[str, float | str] = Field(default={}, description="NaN and infinity are texts")
    verdicts: list[VerdictAnswer] = []
    said: dict[str, str] = Field(default={}, description="What else it said, in words")
    outputs: list[OutputAnswer] = []
    links: list[LinkAnswer] = []
    has_curves: bool = Field(default=False, description="Whether it has a run in MLflow that may hold metrics by step")


class RunStageAnswer(StageAnswer):
    """A stage in a run."""

    upstream: list[str] = Field(description="The stages before it")
    inputs: dict[str, str] = Field(description="Where each input comes from, as people see it")
    state: str = Field(description="Of its task instances the one that says most, empty before there is one")
    count: int = Field(description="How many task instances it has")
    instances: list[InstanceAnswer] = Field(description="Thirty at most, those that failed or run first")


class RunPageAnswer(BaseModel):
    """A run of a pipeline."""

    dag_id: str
    name: str
    run_id: str
    state: str
    run_type: str
    run_after: datetime
    started: datetime | None = None
    ended: datetime | None = None
    problem: str = Field(default="", description="The first mistake of the pipeline's file, empty where there is none")
    partition: str = ""
    by: str = Field(default="", description="Who triggered it, empty for the scheduler")
    stages: list[RunStageAnswer] = Field(description="Upstream first; empty where the DAG has no stages")
    questions: list[QuestionAnswer] = Field(description="Those that wait for an answer, the oldest first, five at most")
    earlier: str = Field(default="", description="The run before it, empty of the first")
    later: str = Field(default="", description="The run after it, empty of the last")
