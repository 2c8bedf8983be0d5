"""Rows of a query as objects of a source: which there are, and what they hold."""

from __future__ import annotations

import csv
import datetime as dt
import io
import logging
import math
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseHook

from airflow_ml_provider.artifacts.ledger import Ledger
from airflow_ml_provider.errors import SourceUnavailableError, StageConfigurationError
from airflow_ml_provider.protocol.manifest import NUMBER, SourceObject
from airflow_ml_provider.protocol.plain_text import one_line
from airflow_ml_provider.sources.origins import SqlRows

_URI_LENGTH, _PARTITION_LENGTH = 8000, 1000
"""What a line of a manifest has room for; a longer one would stand in the way of the run that it is given to."""
_SHOWN_LENGTH = 120
_SHOWN = 5
log = logging.getLogger(__name__)

_BATCH_ROWS = 1000
_PRECISION = 1e-6
_EPOCH_DATE = dt.date(1970, 1, 1)


def list_rows(origin: SqlRows, ledger: Ledger) -> Iterator[SourceObject]:
    """Return the rows that may be new: those not older than the lookback, and what was given back.

    Raises:
        SourceUnavailableError: The database did not answer, or refused the query.
        StageConfigurationError: The connection is of no database, or a watermark is neither a time nor a number.
    """
    columns = [*origin.key, origin.watermark, *([origin.partition] if origin.partition else [])]
    begin = ledger.begin(origin.lookback)
    low = None if begin is None or ledger.top is None else _below(ledger.top.version, begin)
    keys = len(origin.key)
    odd: list[str] = []
    first: StageConfigurationError | None = None
    sound = 0
    for row in _select(origin, ", ".join(columns), low=low):
        uri = ""
        try:
            uri = _uri(origin, row[:keys])
            version, changed = _version(row[keys], origin)
        except StageConfigurationError as error:
            if row[keys] != "" and not sound and not odd:
                first = error
            odd.append(uri or one_line(repr(tuple(row[:keys]))))
            continue
        except (OverflowError, ValueError):
            # A time near the end of the calendar in a zone, a number that is none.
            changed = math.nan
        if not math.isfinite(changed):
            odd.append(uri)
            continue
        sound += 1
        partition = "" if origin.partition is None else str(row[-1])
        if len(uri) > _URI_LENGTH or len(partition) > _PARTITION_LENGTH:
            odd.append(uri)
            continue
        yield SourceObject(uri, version, 0, changed, partition)
    if first is not None and not sound:
        # Of a column in which no row has a time or a number, another one was meant.
        raise first
    if odd:
        log.warning(
            "%s rows of connection %s are left out: their key distinguishes no rows, their watermark %s is neither a "
            "time nor a number, or their key or partition is too long: %s",
            len(odd),
            origin.conn_id,
            origin.watermark,
            ", ".join(one_line(uri, _SHOWN_LENGTH) for uri in odd[:_SHOWN]),
        )


def read_rows(origin: SqlRows, given: Sequence[SourceObject]) -> tuple[bytes, list[SourceObject]]:
    """Return the rows that a run was given, as CSV with a header, and which of them are still what they were.

    Raises:
        SourceUnavailableError: The database did not answer, or refused the query.
    """
    wanted = {(found.uri, found.version): found for found in given}
    # In the order of the values, which that of the times of change is not always: texts, numbers beyond 2^53.
    values = [_value(found.version) for found in given]
    low, high = _widened(min(values), max(values))
    names: list[str] = []
    rows: list[Sequence[Any]] = []
    kept: dict[SourceObject, None] = {}
    for row in _select(origin, "*", low=low, high=high, names=names):
        at = {name.lower(): index for index, name in enumerate(names)}
        key = [row[at[_bare(column)]] for column in origin.key]
        try:
            version, _ = _version(row[at[_bare(origin.watermark)]], origin)
        except StageConfigurationError:
            # It was given to no run.
            continue
        # Rows that differ in nothing that distinguishes rows are one object, and all of them are given.
        if found := wanted.get((_uri(origin, key), version)):
            kept[found] = None
            rows.append(row)
    text = io.StringIO(newline="")
    csv.writer(text).writerows([names, *rows])
    return text.getvalue().encode(), list(kept)


def _select(
    origin: SqlRows, columns: str, *, low: Any = None, high: Any = None, names: list[str] | None = None
) -> Iterator[Sequence[Any]]:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

    hook = BaseHook.get_connection(origin.conn_id).get_hook()  # type: ignore[no-untyped-call]
    if not isinstance(hook, DbApiHook):
        raise StageConfigurationError(
            f"connection {origin.conn_id!r} is of no database that Airflow can query ({type(hook).__name__} is not a "
            f"DbApiHook): name one that is"
        )
    bounds = [(">=", low), ("<=", high)]
    given = [(operator, value) for operator, value in bounds if value is not None]
    sql = origin.sql
    if given and "%" in hook.placeholder:
        sql = sql.replace("%", "%%")
    conditions = [f"{origin.watermark} {operator} {hook.placeholder}" for operator, _ in given]
    where = " AND ".join(conditions or [f"{origin.watermark} IS NOT NULL"])
    with _database_errors(origin), closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        # The query and its columns are the pipeline's own; all that comes from data is a parameter.
        statement = f"SELECT {columns} FROM ({sql}\n) source_rows WHERE {where}"  # noqa: S608
        # With parameters, were it none, drivers read % in the query as their beginning.
        cursor.execute(statement, *([tuple(value for _, value in given)] if given else []))
        if names is not None:
            names += [column[0] for column in cursor.description]
        while rows := cursor.fetchmany(_BATCH_ROWS):
            yield from rows


@contextmanager
def _database_errors(origin: SqlRows) -> Iterator[None]:
    """Name the connection in whatever the driver raises; every driver calls its base class ``Error`` (PEP 249)."""
    try:
        yield
    except Exception as error:
        if not any(base.__name__ == "Error" for base in type(error).__mro__):
            raise
        raise SourceUnavailableError(
            f"connection {origin.conn_id!r}: {type(error).__name__}: {one_line(str(error).strip())}; check the "
            f"query, the connection, and that the database answers"
        ) from error


def _uri(origin: SqlRows, key: Sequence[Any]) -> str:
    return f"row://{origin.conn_id}/{'/'.join(quote(_key_part(origin, part), safe='') for part in key)}"


def _key_part(origin: SqlRows, part: Any) -> str:
    match part:
        case bytes() | memoryview():
            return bytes(part).hex()
        case str() | int() | Decimal() | dt.date() | uuid.UUID():
            return str(part)
    raise StageConfigurationError(
        f"connection {origin.conn_id!r}: a key of a row is {part!r} ({type(part).__name__}), which does not "
        f"distinguish rows: name columns of text, whole numbers, times or UUIDs"
    )


def _bare(column: str) -> str:
    return column.rpartition(".")[2].strip('"`[]').lower()


def _version(watermark: Any, origin: SqlRows) -> tuple[str, float]:
    """Return a watermark as text that ``_value`` reads, and as a number that grows with it."""
    match watermark:
        case dt.datetime():
            # The same moment, in whatever zone the session of the database is.
            moment = watermark if watermark.tzinfo is None else watermark.astimezone(dt.UTC)
            return f"time {moment.isoformat()}", _seconds(moment)
        case dt.date():
            return f"date {watermark.isoformat()}", (watermark - _EPOCH_DATE).total_seconds()
        case bool():
            pass
        case int() | float() | Decimal():
            name = {int: "whole", float: "float"}.get(type(watermark), "decimal")
            return f"{NUMBER}{name} {watermark}", float(watermark)
        case str():
            try:
                return f"text {watermark}", _seconds(dt.datetime.fromisoformat(watermark))
            except ValueError:
                pass
    raise StageConfigurationError(
        f"connection {origin.conn_id!r}: the watermark {origin.watermark} of a row is {watermark!r} "
        f"({type(watermark).__name__}), which is neither a time nor a number: name a column that is"
    )


def _value(version: str) -> Any:
    kind, _, text = version.removeprefix(NUMBER).partition(" ")
    match kind:
        case "time":
            return dt.datetime.fromisoformat(text)
        case "date":
            return dt.date.fromisoformat(text)
        case "whole":
            return int(text)
        case "float":
            return float(text)
        case "decimal":
            return Decimal(text)
    return text


def _widened(low: Any, high: Any) -> tuple[Any, Any]:
    """Drivers cut times to microseconds, and a column of single precision is not what its value reads as."""
    if isinstance(low, dt.datetime):
        return low - dt.timedelta(seconds=1), high + dt.timedelta(seconds=1)
    if isinstance(low, float):
        return low - abs(low) * _PRECISION, high + abs(high) * _PRECISION
    return low, high


def _below(version: str, low: float) -> Any:
    """Return a value of the same type as a watermark, for a number at or a little below ``low``."""
    value = _value(version)
    match value:
        case dt.datetime():
            return _moment(low, value.tzinfo)
        case dt.date():
            return _EPOCH_DATE + dt.timedelta(days=low // 86_400)
        case int():
            return int(low // 1)
        case float():
            return low
        case Decimal():
            return Decimal(int(low // 1))
    written = dt.datetime.fromisoformat(value)
    # Texts compare letter by letter: a shorter one comes before all that begin with it.
    separator = value[10] if len(value) > 10 else " "
    text = _moment(low, written.tzinfo).replace(tzinfo=None).isoformat(separator, "seconds")
    return text[: len(value)]


def _moment(seconds: float, zone: dt.tzinfo | None) -> dt.datetime:
    found = dt.datetime.fromtimestamp(seconds, dt.UTC) - dt.timedelta(milliseconds=1)
    return found.astimezone(zone) if zone is not None else found.replace(tzinfo=None)


def _seconds(moment: dt.datetime) -> float:
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)).timestamp()
