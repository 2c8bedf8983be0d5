"""Which files of a folder are data, in which format, and what their folders say of the rows."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote

from airflow_ml_provider.runtime.errors import BadDataError, ContractError

FORMATS: Mapping[str, str] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_HIVE_MISSING = "__HIVE_DEFAULT_PARTITION__"
_SNIFFED_BYTES = 4096


@dataclass(frozen=True)
class DataFile:
    """A file of a dataset.

    Attributes:
        path: Where it is.
        shown: How it is called in messages.
        format: ``csv``, ``tsv``, ``parquet``, ``json`` or ``jsonl``.
        partition: What its folders say of all its rows, as Hive writes it (``year=2024``); ``None`` is a missing value.
    """

    path: Path
    shown: str
    format: str
    partition: Mapping[str, str | None] = field(default_factory=dict)


def is_data_file(path: str) -> bool:
    """Whether a file of a dataset holds rows; what tools leave next to it (``_SUCCESS``, ``.part-0.crc``) does not.

    Args:
        path: Relative to the dataset, with ``/``; empty where the dataset is one file.
    """
    parts = PurePosixPath(path).parts
    return not any(part.startswith((".", "_")) for part in parts) and not path.endswith(".crc")


def data_files(root: Path, *, name: str, only: str = "") -> list[DataFile]:
    """Return the files of a dataset, in the order of their names.

    Args:
        root: A file, or a folder of files below each other.
        name: The dataset's name, for messages.
        only: One file of the folder alone.

    Raises:
        BadDataError: The folder has no file with data, or a file is empty.
        ContractError: A file has another format.
    """
    if root.is_file():
        return [_data_file(root, name, {})]
    found = [root / only] if only else sorted(entry for entry in root.rglob("*") if entry.is_file())
    paths = [(path, path.relative_to(root).as_posix()) for path in found]
    files = [_data_file(path, f"{name}/{shown}", _partition(shown)) for path, shown in paths if is_data_file(shown)]
    if not files:
        adjacent = f": it has {', '.join(shown for _, shown in paths[:5])}, which hold no rows" if paths else ""
        raise BadDataError(f"{name} is a folder without a file of data{adjacent}")
    return files


def opened(path: Path) -> IO[bytes]:
    """Open a file that may be compressed, as its suffix says."""
    file: IO[bytes] = _OPENERS.get(path.suffix.lower(), _plain)(path)
    return file


def _data_file(path: Path, shown: str, partition: Mapping[str, str | None]) -> DataFile:
    if path.stat().st_size == 0:
        raise BadDataError(f"{shown} is empty: it has 0 bytes, not even a header")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _OPENERS:
        suffixes.pop()
    known = FORMATS.get(suffixes[-1]) if suffixes else None
    return DataFile(path, shown, known or _format_of(path, shown), partition)


def _format_of(path: Path, shown: str) -> str:
    """Return the format of a file by its first bytes: an output of a stage is called like its argument."""
    with opened(path) as content:
        start = content.read(_SNIFFED_BYTES)
    if start.startswith(b"PAR1"):
        return "parquet"
    if b"\0" in start:
        raise ContractError(f"{shown} has no known format; known are {', '.join(FORMATS)}")
    return {b"{": "jsonl", b"[": "json"}.get(start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1], "csv")


def _partition(path: str) -> dict[str, str | None]:
    pairs = [part.partition("=") for part in PurePosixPath(path).parts[:-1]]
    values = {unquote(key): unquote(value) for key, equals, value in pairs if key and equals}
    return {key: None if value == _HIVE_MISSING else value for key, value in values.items()}


def _plain(path: Path) -> IO[bytes]:
    return path.open("rb")


def _zstandard(path: Path) -> Any:
    import pyarrow

    return pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd")


_OPENERS: Mapping[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _zstandard,
}
