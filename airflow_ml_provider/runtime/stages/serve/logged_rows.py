"""Rows of the request log, in columns: those of the model's signature, and what is known of the request."""

from __future__ import annotations

import datetime as dt
import io
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from mlflow.types import Schema

OWN = ("request_id", "row", "requested_at", "model_version", "seconds", "prediction")
"""Columns next to the model's; a column of the model's that is called so gets ``input_`` before its name."""
UNNAMED = "input"
"""The column of a request without names."""
_MOST_COLUMNS = 200
"""Of a model without a signature, in one file."""
_TEXT_LENGTH = 10_000
_TYPES = {
    "boolean": "boolean",
    "integer": "long",
    "long": "long",
    "float": "double",
    "double": "double",
}
"""By MLflow's types; others are text, as they were written in JSON."""


@dataclass(frozen=True)
class Rows:
    """The rows of one request.

    Attributes:
        count: How many there are.
        columns: The values of each column.
        predictions: The answers.
        at: When it was asked, ISO 8601 in UTC.
        seconds: How long the answer took.
    """

    count: int
    columns: Mapping[str, list[Any]]
    predictions: list[Any]
    at: str
    seconds: float


def column_types(schema: Schema | None) -> dict[str, str] | None:
    """Return the columns that a signature names, with ``boolean``, ``long``, ``double`` or ``text``; ``None`` for none.

    Args:
        schema: Of the model's inputs.
    """
    if schema is None or not schema.has_input_names():
        return None
    return {spec.name: _TYPES.get(getattr(spec.type, "name", ""), "text") for spec in schema.inputs}


def rows_of(asked: bytes, said: bytes, *, at: float, seconds: float, columns: Mapping[str, str] | None) -> Rows | None:
    """Return the rows of a request, ``None`` of one that has none.

    Args:
        asked: The request in MLflow's scoring protocol.
        said: The answer.
        at: When, in seconds since the epoch.
        seconds: How long it took.
        columns: The columns that are kept; ``None`` for those that it has.
    """
    try:
        inputs, answer = list(_inputs(json.loads(asked))), json.loads(said)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    predictions = answer.get("predictions") if isinstance(answer, dict) else answer
    if not isinstance(predictions, list) or len(predictions) != len(inputs):
        return None
    if columns is not None and len(columns) == 1 and not any(isinstance(values, dict) for values in inputs):
        inputs = [{next(iter(columns)): values} for values in inputs]
    named = [values if isinstance(values, dict) else {UNNAMED: values} for values in inputs]
    names = list(dict.fromkeys(name for row in named for name in row))[:_MOST_COLUMNS] if columns is None else columns
    requested_at = dt.datetime.fromtimestamp(at, tz=dt.timezone.utc).isoformat()  # noqa: UP017 - Python 3.10
    return Rows(
        len(named), {name: [row.get(name) for row in named] for name in names}, predictions, requested_at, seconds
    )


def to_parquet(pieces: Sequence[Rows], *, columns: Mapping[str, str] | None, version: str) -> bytes:
    """Return rows as a Parquet file.

    Args:
        pieces: The rows.
        columns: The types of the columns; ``None`` where they are known of the values alone.
        version: The model's.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    total = sum(piece.count for piece in pieces)
    if columns is None:
        found = list(dict.fromkeys(name for piece in pieces for name in piece.columns))[:_MOST_COLUMNS]
        types: Mapping[str, str] = dict.fromkeys(found, "")
    else:
        types = columns
    table: dict[str, pa.Array] = {}
    for name, kind in types.items():
        values = [value for piece in pieces for value in piece.columns.get(name, [None] * piece.count)]
        table[f"input_{name}" if name in OWN else name] = _array(values, kind)
    repeated = [(piece, uuid.uuid4().hex, row) for piece in pieces for row in range(piece.count)]
    table["request_id"] = pa.array([identifier for _, identifier, _ in repeated], pa.string())
    table["row"] = pa.array([row for _, _, row in repeated], pa.int64())
    table["requested_at"] = pa.array([piece.at for piece, _, _ in repeated], pa.string())
    table["model_version"] = pa.array([version] * total, pa.string())
    table["seconds"] = pa.array([round(piece.seconds, 6) for piece, _, _ in repeated], pa.float64())
    table["prediction"] = _array([value for piece in pieces for value in piece.predictions], "")
    written = io.BytesIO()
    pq.write_table(pa.table(table), written)
    return written.getvalue()


def _array(values: list[Any], kind: str) -> pa.Array:
    import pyarrow as pa

    kind = kind or _kind_of(values)
    if kind == "boolean":
        return pa.array([value if isinstance(value, bool) else None for value in values], pa.bool_())
    if kind == "long":
        return pa.array([_whole(value) for value in values], pa.int64())
    if kind == "double":
        return pa.array([_double(value) for value in values], pa.float64())
    return pa.array([_text(value) for value in values], pa.string())


def _kind_of(values: list[Any]) -> str:
    found = {type(value) for value in values if value is not None}
    if found == {bool}:
        return "boolean"
    if found == {int} and all(_whole(value) is not None for value in values if value is not None):
        return "long"
    return "double" if found and found <= {int, float} else "text"


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool))


def _double(value: Any) -> float | None:
    try:
        return float(value) if _is_number(value) else None
    except OverflowError:
        return None


def _whole(value: Any) -> int | None:
    whole = int(value) if _is_number(value) and value == value // 1 else None
    return whole if whole is not None and -(2**63) <= whole < 2**63 else None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return (value if isinstance(value, str) else json.dumps(value))[:_TEXT_LENGTH]


def _inputs(asked: Any) -> Any:
    """Yield the rows of a request; see https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/."""
    if "dataframe_split" in asked:
        split = asked["dataframe_split"]
        yield from (dict(zip(split["columns"], row, strict=True)) for row in split["data"])
    elif "dataframe_records" in asked:
        yield from asked["dataframe_records"]
    elif "instances" in asked:
        yield from asked["instances"]
    elif isinstance(asked["inputs"], dict):
        columns = asked["inputs"]
        yield from (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    else:
        yield from asked["inputs"]
