"""The key ``cache`` of a pipeline and of a stage: how earlier results are reused."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from airflow_ml_provider.decisions.provenance import IGNORABLE
from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import STRICT, Duration
from airflow_ml_provider.spec.problems import did_you_mean

_COMPONENT = re.compile(rf"({'|'.join(IGNORABLE)})(\.[A-Za-z][A-Za-z0-9_]*)?")


def _component(value: Any) -> str:
    if not isinstance(value, str) or not _COMPONENT.fullmatch(value):
        hint = did_you_mean(value, IGNORABLE) if isinstance(value, str) else ""
        raise ValueError(
            f"{value!r} is nothing that a result depends on: write {', '.join(IGNORABLE)}, or one param or input, "
            f"such as params.seed{hint}"
        )
    return value


Component = Annotated[str, Checked(_component, {"type": "string", "pattern": f"^{_COMPONENT.pattern}$"})]


class CacheSpec(BaseModel):
    """How earlier results are reused; a stage's keys come before its pipeline's."""

    model_config = STRICT

    ttl: Duration | None = Field(default=None, description="How old a result may be", examples=["7d"])
    ignore: list[Component] = Field(
        default=[], description="What does not count: code, image, params.NAME, ...", examples=[["params.seed"]]
    )
    version: str | int | None = Field(
        default=None, description="Another version makes all earlier results count no more", examples=["2"]
    )
    image: Literal["trust-tag"] | None = Field(
        default=None, description="Take an image's tag for the content it stood for", examples=["trust-tag"]
    )


def cache_argument(pipeline: bool | CacheSpec, stage: bool | CacheSpec | None) -> bool | dict[str, Any]:
    """Return the argument ``cache`` of a stage's operator."""
    if stage is False or (stage is None and pipeline is False):
        return False
    keys: dict[str, Any] = {}
    for said in (pipeline, stage):
        if isinstance(said, CacheSpec):
            keys |= said.model_dump(exclude_unset=True)
    return {key: keys[key] for key in sorted(keys)} or True
