"""Where new data comes from."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, Field, TypeAdapter

from airflow_ml_provider.spec.fields import STRICT, Duration, Name


class SourceSpec(BaseModel):
    """Objects of a URI pattern; each version is given to one run."""

    model_config = STRICT

    uri: str = Field(
        min_length=1, description="fsspec URI or relative path, with * and **", examples=["s3://raw/*.csv"]
    )
    settle: Duration = Field(
        default=dt.timedelta(minutes=1),
        description="How long an object must not have been written before it is taken",
        examples=["2m"],
    )
    poll: Duration = Field(
        default=dt.timedelta(seconds=30), description="How often a schedule looks for new objects", examples=["10s"]
    )
    max_objects: int = Field(
        default=10_000, ge=1, le=100_000, description="The most objects of one run", examples=[100]
    )


class DataSchedule(BaseModel):
    """A schedule that new data makes."""

    model_config = STRICT

    data: Name = Field(description="The source whose new data starts a run", examples=["flights"])


SOURCES = TypeAdapter(dict[Name, SourceSpec])
