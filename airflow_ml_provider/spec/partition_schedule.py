"""A schedule whose runs have a partition each."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator

from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import STRICT, cron_or_preset

_WITHOUT_TIMES = ("@once", "@continuous")


def _cron(value: Any) -> str:
    found = cron_or_preset(value)
    if found in _WITHOUT_TIMES:
        raise ValueError(f"{found} has no times that could name partitions: write a cron expression or another preset")
    return found


class PartitionSchedule(BaseModel):
    """Runs by the clock, each for the partition that its time names; Airflow's backfill makes those of the past."""

    model_config = STRICT

    cron: Annotated[str, Checked(_cron, {"type": "string"})] = Field(
        description="cron expression or preset", examples=["@monthly", "0 6 1 * *"]
    )
    partition: str = Field(
        min_length=2, max_length=100, description="The partition's key, of a run's time", examples=["%Y-%m"]
    )
    offset: int = Field(
        default=0, ge=-1000, le=1000, description="Times of the cron expression before (-1) or after", examples=[-1]
    )
    timezone: str = Field(default="UTC", description="Time zone of both", examples=["Europe/Berlin"])

    @field_validator("partition")
    @classmethod
    def _tells_times_apart(cls, value: str) -> str:
        if dt.datetime(2001, 2, 3, 4, 5).strftime(value) == dt.datetime(2012, 11, 10, 9, 8).strftime(value):
            raise ValueError(f"{value!r} is the same at all times: write a format such as %Y-%m or %Y-%m-%d")
        return value

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is not a time zone: write one such as Europe/Berlin") from error
        return value
