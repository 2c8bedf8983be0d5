"""Where new data comes from."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from airflow_ml_provider.artifacts.path_pattern import ambiguous, placeholders
from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.fields import STRICT, Duration, ModelName, Name, duration
from airflow_ml_provider.spec.problems import did_you_mean

_COLUMN = re.compile(r'(?:[A-Za-z_][A-Za-z0-9_$]*|"[A-Za-z_][A-Za-z0-9_$ ]*")')
_KEYS_OF = {
    "uri": ("settle", "partition", "poll", "max_objects"),
    "sql": ("connection", "watermark", "key", "partition", "lookback", "settle", "poll", "max_objects"),
    "model": ("alias", "connection", "poll", "max_objects"),
    "asset": ("partition", "max_objects"),
}
"""What a source is of, and what else it may say."""
EVENT = "event"
"""The partition of an asset's event is the partition key that the event has."""


class SettleSpec(BaseModel):
    """When an object is written to its end, where its time of change does not say so."""

    model_config = STRICT

    marker: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        pattern=r"^[^/]+$",
        description="A file of this name in the object's folder, or above it, says that writing has ended",
        examples=["_SUCCESS"],
    )
    unchanged: Duration | None = Field(
        default=None, description="Two looks this far apart saw the same version", examples=["10s"]
    )

    @model_validator(mode="after")
    def _one_rule(self) -> SettleSpec:
        if (self.marker is None) == (self.unchanged is None):
            raise ValueError("write either marker or unchanged, or a time alone: settle: 2m")
        return self


def _settle(value: Any) -> dt.timedelta | SettleSpec:
    if isinstance(value, SettleSpec):
        return value
    return SettleSpec.model_validate(value) if isinstance(value, Mapping) else duration(value)


def _lookback(value: Any) -> dt.timedelta | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value < float("inf"):
            raise ValueError(f"{value!r} is not a lookback: write a number that is not negative, or a time such as 1h")
        return float(value)
    return duration(value)


def _column(value: Any) -> str:
    if isinstance(value, str) and _COLUMN.fullmatch(value):
        return value
    raise ValueError(f"{value!r} is not a column: write its name, in double quotes when it has upper case or spaces")


def _columns(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and value:
        return tuple(map(_column, value))
    return (_column(value),)


def _select(value: Any) -> str:
    if not isinstance(value, str) or not re.match(r"\s*(select|with)\b", value, re.IGNORECASE):
        raise ValueError("sql is a query that begins with SELECT or WITH")
    if ";" in value:
        raise ValueError("sql is one query without a semicolon: it becomes a subquery")
    return value.strip()


_DURATION_OR_SETTLE = {"anyOf": [{"type": "string"}, {"x-definition": "SettleSpec"}]}
Settle = Annotated[Any, Checked(_settle, _DURATION_OR_SETTLE, model=lambda: SettleSpec)]
Lookback = Annotated[Any, Checked(_lookback, {"type": ["string", "number"], "minimum": 0})]
Column = Annotated[str, Checked(_column, {"type": "string", "minLength": 1})]
Columns = Annotated[Any, Checked(_columns, {"type": ["string", "array"], "items": {"type": "string"}})]
Query = Annotated[str, Checked(_select, {"type": "string", "minLength": 6})]


class SourceSpec(BaseModel):
    """Files, rows, versions of a model or events of an asset; each version is given to one run."""

    model_config = STRICT | ConfigDict(json_schema_extra={"oneOf": [{"required": [kind]} for kind in _KEYS_OF]})

    uri: str | None = Field(
        default=None,
        min_length=1,
        description="fsspec URI or relative path of files, with *, ** and {year} for a part that names a partition",
        examples=["s3://raw/*.csv", "s3://raw/{year}-{month}/*.csv"],
    )
    sql: Query | None = Field(
        default=None, description="Query whose rows are given", examples=["SELECT * FROM orders WHERE paid"]
    )
    model: ModelName | None = Field(
        default=None, description="Registered model whose versions, or alias, are watched", examples=["flight_delays"]
    )
    asset: str | None = Field(
        default=None, min_length=1, max_length=1500, description="Airflow asset, by name", examples=["orders"]
    )
    connection: Name | None = Field(
        default=None, description="Airflow connection of sql, or of MLflow", examples=["warehouse"]
    )
    watermark: Column | None = Field(
        default=None, description="Column that grows with each change of a row", examples=["updated_at"]
    )
    key: Columns | None = Field(
        default=None, description="Column, or columns, that identify a row", examples=["order_id", ["a", "b"]]
    )
    lookback: Lookback = Field(
        default=dt.timedelta(hours=1),
        description="How far before the latest watermark rows are looked for; a number where it is one",
        examples=["1h", 1000],
    )
    alias: Name | None = Field(
        default=None, description="Alias whose change is new; without, each version is", examples=["champion"]
    )
    partition: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="How partitions are called, by the URI's placeholders; of sql, the column that names them; event",
        examples=["{year}-{month}", "region", EVENT],
    )
    settle: Settle = Field(
        default=dt.timedelta(minutes=1),
        description="How long an object must not have been written before it is taken; or marker, or unchanged",
        examples=["2m", {"marker": "_SUCCESS"}, {"unchanged": "10s"}],
    )
    poll: Duration = Field(
        default=dt.timedelta(seconds=30), description="How often a schedule looks for new objects", examples=["10s"]
    )
    max_objects: int = Field(
        default=10_000, ge=1, le=100_000, description="The most objects of one run", examples=[100]
    )

    @property
    def kind(self) -> str:
        """What it is of: ``uri``, ``sql``, ``model`` or ``asset``."""
        return next(kind for kind in _KEYS_OF if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _whole(self) -> SourceSpec:
        kinds = [kind for kind in _KEYS_OF if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"a source is of one of {', '.join(_KEYS_OF)}; this is of {' and '.join(kinds) or 'none'}")
        (kind,) = kinds
        said = self.model_fields_set - {kind}
        for key in sorted(said - set(_KEYS_OF[kind])):
            allowed = ", ".join(_KEYS_OF[kind])
            raise ValueError(f"a source of {kind} takes no {key}; it takes {allowed}")
        if kind == "sql":
            self._whole_query()
        elif kind == "uri":
            if self.partition is not None:
                self._whole_partition(self.partition)
            if adjacent := ambiguous(self.uri or ""):
                raise ValueError(f"in {adjacent!r} nobody can tell where the placeholder ends: write something between")
        elif kind == "asset" and self.partition not in (None, EVENT):
            raise ValueError(f"partition {self.partition!r}: events bring their partitions: write partition: {EVENT}")
        return self

    def _whole_query(self) -> None:
        for key in ("connection", "watermark", "key"):
            if getattr(self, key) is None:
                raise ValueError(f"a source of sql needs {key}")
        if self.partition is not None:
            _column(self.partition)
        if not isinstance(self.settle, dt.timedelta):
            raise ValueError("rows settle by their watermark: settle is a time such as 1m")

    def _whole_partition(self, partition: str) -> None:
        known = placeholders(self.uri or "")
        unknown = [name for name in placeholders(partition) if name not in known]
        if unknown or not placeholders(partition):
            hint = f"it has {', '.join(known)}{did_you_mean(unknown[0], known) if unknown else ''}" if known else "none"
            raise ValueError(f"{partition!r} names partitions by placeholders of the uri; {hint}")


class DataSchedule(BaseModel):
    """A schedule that new data makes."""

    model_config = STRICT

    data: Name = Field(description="The source whose new data starts a run", examples=["flights"])


SOURCES = TypeAdapter(dict[Name, SourceSpec])
