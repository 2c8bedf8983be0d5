"""What a card says of a pipeline's model, endpoint, data and drift; the page's types are made of these."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class FoundAnswer(BaseModel):
    """What a stage said last, and when."""

    task_id: str = Field(description="The stage that said it")
    run_id: str
    at: datetime = Field(description="When it said so")


class ChampionAnswer(FoundAnswer):
    """The version that a pipeline made champion last; what was promoted elsewhere is not seen."""

    model: str
    version: str
    by: str = Field(default="", description="Who approved it, empty where nobody was asked")
    gate: list[str] = Field(default=[], description="What its gates said, such as rmse 12.1 < 20")


class EndpointAnswer(FoundAnswer):
    """What a serve stage left serving."""

    model: str
    version: str
    url: str = Field(description="Its URL, empty where that is not http or https")


class DriftAnswer(FoundAnswer):
    """What a monitor stage found last."""

    raised: bool = Field(description="Whether a limit was broken")
    drifted: list[str] = Field(default=[], description="Columns that drifted")
    reasons: list[str] = Field(default=[], description="The limits that were broken")


class DataAnswer(FoundAnswer):
    """What a source gave a run last."""

    objects: int
    newest: str = Field(description="When the newest of them changed, or its watermark")
    waiting: int = Field(description="How many more were there and not taken")


class SummaryAnswer(BaseModel):
    """What the stages of a pipeline said last, within its last 50 runs."""

    champions: list[ChampionAnswer] = []
    endpoints: list[EndpointAnswer] = []
    drift: list[DriftAnswer] = []
    data: list[DataAnswer] = []
