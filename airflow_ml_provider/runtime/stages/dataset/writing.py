"""Rows as JSON: numbers with all their digits, times in ISO 8601, what is missing or no number as null."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame


def json_lines(frame: DataFrame) -> Iterator[str]:
    """Return each row as a line of JSON, without its end."""
    names = [str(name) for name in frame.columns]
    for row in json_rows(frame):
        yield json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, allow_nan=False)


def json_rows(frame: DataFrame) -> Iterator[list[Any]]:
    """Return each row as a list of JSON values."""
    columns = [frame[name].astype(object).tolist() for name in frame.columns]
    for row in zip(*columns, strict=True) if columns else ([] for _ in range(len(frame))):
        yield [json_value(value) for value in row]


def json_value(value: Any) -> Any:
    """Return a value of a table as JSON has it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, dt.date):
        # The time that is none is a date for Python, and not equal to itself.
        return value.isoformat() if value == value else None  # noqa: PLR0124
    if hasattr(value, "tolist"):
        return json_value(value.tolist())
    # What pandas calls missing has no value of its own, and other objects have no JSON.
    return None if type(value).__name__ in ("NAType", "NaTType") else str(value)
