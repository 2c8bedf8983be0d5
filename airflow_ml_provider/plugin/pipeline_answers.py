"""What the route of a pipeline answers; the page's types are made of these."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from airflow_ml_provider.plugin.home_answers import QuestionAnswer, StageAnswer
from airflow_ml_provider.plugin.run_answers import OutputAnswer, ReuseAnswer, VerdictAnswer
from airflow_ml_provider.plugin.summary_answers import SummaryAnswer


class GraphStageAnswer(StageAnswer):
    """A stage in the graph of its pipeline."""

    upstream: list[str] = Field(description="The stages before it")
    inputs: dict[str, str] = Field(description="Where each input comes from, as people see it")


class StageResultAnswer(BaseModel):
    """What a stage left in one of several runs; of a mapped stage the state alone."""

    state: str = Field(description="Airflow's state, empty before there is one")
    metrics: dict[str, float | str] = Field(default={}, description="NaN and infinity are texts")
    reuse: ReuseAnswer | None = None
    verdicts: list[VerdictAnswer] = []
    outputs: list[OutputAnswer] = []
    said: dict[str, str] = Field(default={}, description="What else it said, in words")


class RunResultAnswer(BaseModel):
    """A run, to be compared with others."""

    run_id: str
    state: str
    run_type: str
    run_after: datetime
    started: datetime | None = None
    ended: datetime | None = None
    partition: str = ""
    by: str = Field(default="", description="Who triggered it, empty for the scheduler")
    promoted: list[str] = Field(default=[], description="The versions that it made champion, such as flights 3")
    stages: dict[str, StageResultAnswer] = Field(description="By task; those without state and XComs are left out")


class PipelinePageAnswer(BaseModel):
    """A pipeline with some of its runs."""

    dag_id: str
    name: str
    description: str
    paused: bool
    schedule: str
    next_run: datetime | None = None
    problem: str = Field(description="The first mistake of its file, empty where there is none")
    stages: list[GraphStageAnswer] = Field(description="Upstream first; empty where the DAG has no stages")
    questions: list[QuestionAnswer] = Field(description="The oldest first, five at most")
    summary: SummaryAnswer
    total: int = Field(description="How many runs there are")
    offset: int = Field(description="How many newer ones come before")
    runs: list[RunResultAnswer] = Field(description="The newest first")
    compared: list[RunResultAnswer] = Field(description="The runs that were asked for by their ids, the oldest first")
    last: dict[str, str] = Field(description="States of the stages in the last run, by task")
    reads_xcoms: bool = Field(description="Whether the user may read XComs, of which all but states is made")
