"""Reading tabular data for the built-in stages."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_ml_provider.runtime.errors import BadDataError, ContractError

if TYPE_CHECKING:
    from pandas import DataFrame

_FORMATS = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".json": "json", ".jsonl": "jsonl"}
_COMPRESSIONS = {".gz", ".bz2", ".xz", ".zst"}


def read_frame(path: Path, *, name: str, text: Collection[str] = (), may_be_empty: bool = False) -> DataFrame:
    """Read a file, or all files of a folder below each other, into one frame.

    Args:
        path: A csv, tsv, parquet, json or jsonl file (text formats may be compressed), or a folder of them; a file
            whose name has no suffix is known by its first bytes.
        name: The input's name, for messages.
        text: Columns that are text, also where they hold digits alone.
        may_be_empty: Whether a file without rows is none to complain of.

    Raises:
        BadDataError: A file cannot be parsed, has no rows, or has other columns than the first.
        ContractError: A file has another format.
    """
    import pandas as pd

    files = [path] if path.is_file() else sorted(entry for entry in path.rglob("*") if entry.is_file())
    frames: list[DataFrame] = []
    for file in files:
        shown = name if file == path else f"{name}/{file.relative_to(path).as_posix()}"
        frame = _read_file(file, shown, dict.fromkeys(text, str))
        if frame.empty and not may_be_empty:
            raise BadDataError(f"{shown} has no rows")
        if frames and list(frame.columns) != list(frames[0].columns):
            odd = sorted(map(str, set(frame.columns) ^ set(frames[0].columns)))
            raise BadDataError(
                f"{shown} has other columns than {files[0].name}: "
                f"{', '.join(odd) if odd else 'the same names in another order'}"
            )
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _format_of(file: Path) -> str:
    """Return the format of a file by its first bytes: an output of a stage is called like its argument."""
    with file.open("rb") as content:
        start = content.read(64).lstrip()
    if start.startswith(b"PAR1"):
        return "parquet"
    return {b"{": "jsonl", b"[": "json"}.get(start[:1], "csv")


def _read_file(file: Path, shown: str, text: dict[str, type]) -> DataFrame:
    import pandas as pd

    suffixes = [suffix.lower() for suffix in file.suffixes if suffix.lower() not in _COMPRESSIONS]
    format_name = _FORMATS.get(suffixes[-1]) if suffixes else _format_of(file)
    try:
        match format_name:
            case "csv":
                return pd.read_csv(file, low_memory=False, dtype=text)
            case "tsv":
                return pd.read_csv(file, sep="\t", low_memory=False, dtype=text)
            case "parquet":
                return pd.read_parquet(file)
            case "json":
                return pd.read_json(file, dtype=text or True)
            case "jsonl":
                return pd.read_json(file, lines=True, dtype=text or True)
    except (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise BadDataError(f"{shown} cannot be read as {format_name}: {error}") from error
    raise ContractError(f"{shown} has no known format; known are {', '.join(_FORMATS)}")
