"""What the body of a request may hold, looked at before anything is made of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from airflow_ml_provider.protocol.serving import RequestLimits

DEPTH = 32
"""As many dimensions as NumPy's arrays had for long (NPY_MAXDIMS)."""
NAME_LENGTH = 256
CELLS = 1_000_000
_CONTAINERS = 250_000
_JSON, _CSV = "application/json", "text/csv"


class RefusedRequestError(Exception):
    """A request is not what a model is asked.

    Attributes:
        status: The HTTP status that says so.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def require_fitting(body: bytes, content_type: str, limits: RequestLimits, *, names: Collection[str] = ()) -> None:
    """Raise a RefusedRequestError when a request is broken or exceeds the limits.

    Args:
        body: Its body, no longer than ``limits.body``.
        content_type: Its media type, with parameters or without.
        limits: The limits.
        names: Names of columns that may be of any length: those that the model's signature has.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == _JSON:
        _require_json(body, limits, names)
    elif media_type == _CSV:
        _require_csv(body, limits, names)
    else:
        raise RefusedRequestError(415, f"the content type is not taken: send {_JSON} or {_CSV}")


def _require_json(body: bytes, limits: RequestLimits, names: Collection[str]) -> None:
    # Of what it is made before it is parsed: a list takes thirty times the two bytes that it is written with.
    if body.count(b"[") + body.count(b"{") > _CONTAINERS or body.count(b",") > CELLS:
        raise RefusedRequestError(413, f"the request has too many values: {CELLS} are taken, in {_CONTAINERS} lists")
    try:
        asked = json.loads(body)
    except RecursionError:
        raise RefusedRequestError(400, f"the request is nested more than {DEPTH} deep") from None
    except ValueError as error:
        raise RefusedRequestError(400, f"the request is not JSON: {str(error)[:200]}") from None
    _require_shallow(asked, names)
    if not isinstance(asked, dict):
        raise RefusedRequestError(
            400, "the request is not a JSON object: send dataframe_split, dataframe_records, instances or inputs"
        )
    for key in ("dataframe_split", "dataframe_records", "instances", "inputs"):
        if key in asked:
            rows, columns = _size(asked[key])
            _require_size(rows, columns, limits)


def _size(table: Any) -> tuple[int, int]:
    """Return how many rows and how many columns are meant: as many as a table of all of them has."""
    if isinstance(table, list):
        return len(table), len({name for row in table if isinstance(row, dict) for name in row})
    if not isinstance(table, dict):
        return 1, 1
    if isinstance(table.get("columns"), list) and isinstance(table.get("data"), list):
        widest = max((len(row) for row in table["data"] if isinstance(row, list)), default=0)
        return len(table["data"]), max(len(table["columns"]), widest)
    return max((len(values) for values in table.values() if isinstance(values, (list, dict))), default=1), len(table)


def _require_shallow(asked: Any, names: Collection[str]) -> None:
    level: list[Any] = [asked] if isinstance(asked, (dict, list)) else []
    depth = 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise RefusedRequestError(400, f"the request is nested more than {DEPTH} deep")
        for found in level:
            if isinstance(found, dict):
                _require_names(found, names)
        level = [inner for outer in level for inner in _within(outer) if isinstance(inner, (dict, list))]
    split = asked.get("dataframe_split") if isinstance(asked, dict) else None
    if isinstance(split, dict) and isinstance(split.get("columns"), list):
        _require_names([name for name in split["columns"] if isinstance(name, str)], names)


def _within(container: Any) -> Iterator[Any]:
    return iter(container.values() if isinstance(container, dict) else container)


def _require_names(found: Collection[str] | Mapping[str, Any], names: Collection[str]) -> None:
    for name in found:
        if len(name) > NAME_LENGTH and name not in names:
            raise RefusedRequestError(400, f"a name has {len(name)} characters: {NAME_LENGTH} are taken at most")


def _require_csv(body: bytes, limits: RequestLimits, names: Collection[str]) -> None:
    try:
        lines = csv.reader(io.StringIO(body.decode("utf-8"), newline=""))
        header = next(lines, [])
        rows = columns = 0
        for line in lines:
            rows, columns = rows + 1, max(columns, len(line))
    except (ValueError, csv.Error) as error:
        raise RefusedRequestError(400, f"the request is not CSV: {str(error)[:200]}") from None
    _require_names(header, names)
    _require_size(rows, max(len(header), columns), limits)


def _require_size(rows: int, columns: int, limits: RequestLimits) -> None:
    if rows > limits.rows:
        raise RefusedRequestError(413, f"the request has {rows} rows: {limits.rows} are taken at most")
    if columns > limits.columns:
        raise RefusedRequestError(413, f"the request has {columns} columns: {limits.columns} are taken at most")
    if rows * columns > CELLS:
        raise RefusedRequestError(
            413, f"the request has {rows} rows of {columns} columns: {CELLS} cells are taken at most"
        )
