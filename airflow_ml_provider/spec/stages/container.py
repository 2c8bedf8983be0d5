"""Kind ``container``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from airflow_ml_provider.spec.stages import CodeStageSpec


class ContainerSpec(CodeStageSpec):
    """Any command or function that is none of the other kinds."""

    kind: Literal["container"] = Field(description="What the stage does", examples=["container"])
