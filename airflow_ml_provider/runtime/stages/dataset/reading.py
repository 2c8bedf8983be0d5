"""A dataset, read: csv, tsv, json, jsonl and parquet, in one file or a folder of files."""

from __future__ import annotations

import csv
import io
import json
import lzma
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.runtime.errors import BadDataError, ContractError
from airflow_ml_provider.runtime.stages.dataset.columns import Dataset, from_objects, joined
from airflow_ml_provider.runtime.stages.dataset.files import DataFile, data_files, opened

if TYPE_CHECKING:
    from pandas import DataFrame

_JSON = ("json", "jsonl")
_REQUEST_LOG = ".requests.parquet"
"""What servers log: another version of a model has other columns, and earlier versions of this provider wrote JSON."""
_UNREADABLE = (OSError, EOFError, ValueError, RecursionError, csv.Error, zlib.error, lzma.LZMAError)
_BLOCK_BYTES = 1 << 20
_LARGEST_BLOCK_BYTES = 1 << 30
_DELIMITERS = {"csv": ",", "tsv": "\t"}


def read_dataset(root: Path, *, name: str, only: str = "", may_be_empty: bool = False) -> Dataset:
    """Read a file, or all files of a folder below each other.

    Args:
        root: The file or folder.
        name: The dataset's name, for messages.
        only: One file of the folder alone; what its folders say of it holds.
        may_be_empty: Whether no rows are none to complain of.

    Raises:
        BadDataError: A file cannot be read, has no rows, two columns of one name, or other columns than the first.
        ContractError: A file has another format, or Apache Arrow is not there.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ContractError(
            f"{name}: this Python has no pyarrow to read it with ({error}); add pyarrow to the stage's image"
        ) from error
    files = data_files(root, name=name, only=only)
    tables = [(file, *_read(file)) for file in files]
    for file, frame, _ in tables:
        if frame.empty and not may_be_empty:
            raise BadDataError(f"{file.shown} has no rows")
    return _whole(tables)


def _whole(tables: Sequence[tuple[DataFile, DataFrame, frozenset[str]]]) -> Dataset:
    import pandas as pd

    first, frame, _ = tables[0]
    names = list(frame.columns)
    if all(file.format in _JSON or file.path.name.endswith(_REQUEST_LOG) for file, _, _ in tables):
        # A key that no row of a file has is a value that is missing in all of them.
        names = list(dict.fromkeys(column for _, found, _ in tables for column in found.columns))
        tables = [(file, found.reindex(columns=names), untyped) for file, found, untyped in tables]
    for file, found, _ in tables:
        if odd := sorted(map(str, set(found.columns) ^ set(names))):
            raise BadDataError(f"{file.shown} has other columns than {first.shown}: {', '.join(odd)}")
    untyped = frozenset(set.intersection(*(set(found) for _, _, found in tables)))
    parts = {column: joined([_typed(found, column, known, untyped) for _, found, known in tables]) for column in names}
    return Dataset(pd.DataFrame(parts, columns=names), untyped)


def _typed(frame: DataFrame, column: str, known: frozenset[str], untyped: frozenset[str]) -> Any:
    """Return a column of a file; where another file knows its type, text that is none is not text any more."""
    from airflow_ml_provider.runtime.stages.dataset.columns import inferred_type

    return inferred_type(frame[column]) if column in known and column not in untyped else frame[column]


def _read(file: DataFile) -> tuple[DataFrame, frozenset[str]]:
    """Return the rows of a file, and which columns are untyped.

    Raises:
        BadDataError: It cannot be read.
    """
    import pyarrow as pa

    try:
        if file.format == "parquet":
            frame, untyped = _parquet(file), frozenset[str]()
        elif file.format in _JSON:
            frame, untyped = _json(file), frozenset[str]()
        else:
            frame = _delimited(file)
            untyped = frozenset(frame.columns)
    except (*_UNREADABLE, pa.ArrowException) as error:
        if isinstance(error, UnicodeDecodeError) or "UTF8" in str(error):
            raise BadDataError(f"{file.shown} cannot be read as {file.format}: it is not UTF-8") from None
        # What a parser quotes of a file is its data.
        raise BadDataError(f"{file.shown} cannot be read as {file.format}: {_what(error)}") from None
    if twice := sorted(set(file.partition) & set(frame.columns)):
        raise BadDataError(f"{file.shown} has a column {twice[0]!r}, and lies in a folder {twice[0]}=...")
    return _with_partition(frame, file.partition), frozenset(untyped | file.partition.keys())


def _what(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})"
    if isinstance(error, _RowsError):
        return str(error)
    return f"{type(error).__name__}: {str(error).partition(': ')[0][:200]}"


class _RowsError(ValueError):
    """Rows do not fit; the message holds no value of them."""


def _with_partition(frame: DataFrame, partition: Mapping[str, str | None]) -> DataFrame:
    import pandas as pd
    import pyarrow as pa

    text = pd.ArrowDtype(pa.string())
    return frame.assign(**{key: pd.Series(value, index=frame.index, dtype=text) for key, value in partition.items()})


def _parquet(file: DataFile) -> DataFrame:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    signed = (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32())
    whole = {**dict.fromkeys(signed, pd.Int64Dtype()), pa.uint64(): pd.UInt64Dtype(), pa.bool_(): pd.BooleanDtype()}
    # Its own schema alone: pyarrow would take the names of the folders for columns too.
    table = pq.ParquetFile(file.path).read()
    _require_different(table.column_names)
    frame = table.to_pandas(types_mapper=whole.get)
    # An index of pandas that has a name is a column like others; one without numbers the rows.
    frame = frame.reset_index(drop=not any(frame.index.names))
    return frame.set_axis([str(name) for name in frame.columns], axis=1)


def _delimited(file: DataFile) -> DataFrame:
    import pandas as pd
    import pyarrow as pa

    delimiter = _DELIMITERS[file.format]
    with opened(file.path) as content, io.TextIOWrapper(content, "utf-8-sig", newline="") as text:
        # As Arrow does, lines before the header that are empty are passed over.
        header = next((row for row in csv.reader(text, delimiter=delimiter) if row), [])
    _require_different(header)
    block = _BLOCK_BYTES
    while (table := _delimited_table(file, header, delimiter, block)) is None:
        block *= 16
    names = [name or f"Unnamed: {number}" for number, name in enumerate(header)]
    as_text = pd.ArrowDtype(pa.string())
    return table.rename_columns(names).to_pandas(types_mapper=lambda _: as_text)


def _delimited_table(file: DataFile, header: Sequence[str], delimiter: str, block: int) -> Any:
    """Return the rows as Arrow reads them, ``None`` where one is longer than a block.

    Raises:
        ValueError: The rows do not fit.
    """
    import pyarrow as pa
    import pyarrow.csv as pc

    odd: list[Any] = []

    def refuse(row: Any) -> str:
        odd.append(row)
        return "error"

    with opened(file.path) as content:
        try:
            return pc.read_csv(
                content,
                # Rows have numbers only where one thread reads them.
                read_options=pc.ReadOptions(use_threads=False, block_size=block),
                parse_options=pc.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse),
                convert_options=pc.ConvertOptions(
                    column_types=dict.fromkeys(header, pa.string()), null_values=[""], strings_can_be_null=True
                ),
            )
        except pa.ArrowInvalid as error:
            if odd:
                row = odd[0]
                what = f"row {row.number} has {row.actual_columns} cells, the header {row.expected_columns}"
                raise _RowsError(what) from None
            if "block size" in str(error) and block < _LARGEST_BLOCK_BYTES:
                return None
            raise


def _json(file: DataFile) -> DataFrame:
    import pandas as pd

    with opened(file.path) as content, io.TextIOWrapper(content, "utf-8-sig") as text:
        rows = _rows(text, file.format)
        if isinstance(rows, dict):
            return pd.DataFrame({name: from_objects(values) for name, values in rows.items()})
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pd.DataFrame({name: from_objects([row.get(name) for row in rows]) for name in names}, index=range(len(rows)))


def _rows(text: io.TextIOWrapper, format_name: str) -> list[dict[str, Any]] | dict[str, list[Any]]:
    if format_name == "jsonl":
        return [_row(value, number) for number, value in _lines(text)]
    value = json.load(text, object_pairs_hook=_unique)
    if isinstance(value, list):
        return [_row(each, number) for number, each in enumerate(value, start=1)]
    columns = dict(value) if isinstance(value, dict) else {}
    # By the index of the rows, as pandas writes it.
    index = dict.fromkeys(key for values in columns.values() if isinstance(values, dict) for key in values)
    columns = {
        name: [values.get(key) for key in index] if isinstance(values, dict) else values
        for name, values in columns.items()
    }
    if not columns or not all(isinstance(values, list) for values in columns.values()):
        raise _RowsError("it is neither a list of objects nor an object of columns")
    if len(set(map(len, columns.values()))) > 1:
        raise _RowsError("its columns have different lengths")
    return columns


def _lines(text: io.TextIOWrapper) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text, start=1):
        if line.strip():
            try:
                yield number, json.loads(line.rstrip(), object_pairs_hook=_unique)
            except json.JSONDecodeError as error:
                raise _RowsError(f"line {number} is not JSON: {error.msg} (column {error.colno})") from None


def _row(value: Any, number: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _RowsError(f"row {number} is not an object of values by column")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        _require_different([name for name, _ in pairs])
    return found


def _require_different(names: Sequence[str]) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise _RowsError(f"two columns are called {twice[0]!r}: rename one of them")
