"""Types of single fields."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from airflow_ml_provider.decisions.gate import Threshold
from airflow_ml_provider.protocol.artifact import ARTIFACT_TYPES
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.names import require_name
from airflow_ml_provider.spec.problems import did_you_mean
from airflow_ml_provider.spec.references import Reference

# Deferred: a stage is validated as part of its pipeline, so a validator of its own would be built for nothing.
STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|[KMGTPE]i?)?")
_DURATION = re.compile(r"(\d+)\s*([smhd])")


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is no duration: write a number and s, m, h or d, such as 30s or 2h")
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise ValueError(f"{value!r} is too long") from None


def _name(value: Any) -> str:
    try:
        return require_name(value, of="this")
    except ProtocolError as error:
        raise ValueError(str(error)) from error


def _artifact_type(value: Any) -> str:
    if value not in ARTIFACT_TYPES:
        hint = did_you_mean(str(value), ARTIFACT_TYPES)
        raise ValueError(f"{value!r} is no artifact type; allowed are {', '.join(ARTIFACT_TYPES)}{hint}")
    return str(value)


def _threshold(value: Any) -> str:
    Threshold.parse(value)
    return str(value)


def _reference(value: Any) -> Reference:
    return value if isinstance(value, Reference) else Reference.parse(value)


def _entry_point(value: Any) -> str:
    module, _, function = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not function.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise ValueError(f"{value!r} is no entry point: write module:function, such as flights.stages:train")
    return str(value)


def _quantity(value: Any) -> str:
    text = str(value)
    if isinstance(value, bool) or not _QUANTITY.fullmatch(text) or not text.strip("0.mkKMGTPEi"):
        raise ValueError(f"{value!r} is no quantity more than 0, such as 2, 500m or 4Gi")
    return text


def _json(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{value!r} is no JSON value ({error}); put text in quotes") from error
    return value


def _store(value: Any) -> str:
    if not isinstance(value, str) or not ("://" in value or value.startswith("/")):
        raise ValueError(f"{value!r} is no store: write a URI such as s3://bucket/prefix, or an absolute path")
    return value


Quantity = Annotated[str, BeforeValidator(_quantity)]
FiniteJson = Annotated[Any, BeforeValidator(_json)]
StoreUri = Annotated[str, BeforeValidator(_store)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Name = Annotated[str, BeforeValidator(_name)]
ArtifactType = Annotated[str, BeforeValidator(_artifact_type)]
ThresholdText = Annotated[str, BeforeValidator(_threshold)]
StageReference = Annotated[Reference, BeforeValidator(_reference)]
EntryPoint = Annotated[str, BeforeValidator(_entry_point)]
