"""A schedule that a monitor stage makes."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, Field

from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import STRICT

_MONITOR = re.compile(r"[A-Za-z0-9_.\-]{1,200}\.[A-Za-z][A-Za-z0-9_]*")


def _monitor(value: Any) -> str:
    if not isinstance(value, str) or not _MONITOR.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a monitor stage of a pipeline: write PIPELINE.STAGE, such as flights_watch.monitor"
        )
    return value


class DriftSchedule(BaseModel):
    """A run for each event of a monitor stage whose limits were broken."""

    model_config = STRICT

    drift: Annotated[str, Checked(_monitor, {"type": "string", "pattern": f"^{_MONITOR.pattern}$"})] = Field(
        description="The monitor stage, PIPELINE.STAGE", examples=["flights_watch.monitor"]
    )
