"""What files there are and which versions, told without reading them."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow_ml_provider.artifacts.digest import require_relative
from airflow_ml_provider.artifacts.errors import InvalidArtifactError
from airflow_ml_provider.artifacts.objects import filesystem, store_errors
from airflow_ml_provider.artifacts.path_pattern import PathPattern, glob_expression, literal_prefix, source_folder
from airflow_ml_provider.protocol.manifest import SourceObject

log = logging.getLogger(__name__)

_PLAIN = re.compile(r"(?:[A-Za-z0-9_=-][A-Za-z0-9_.=-]*/)*[A-Za-z0-9_=-][A-Za-z0-9_.=-]*")
_ETAGS = ("ETag", "etag", "md5Hash", "content_md5")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")


def fingerprint(pattern: str) -> str:
    """Return a digest over the names and versions of all files of a pattern, empty when there is none.

    A version is the ETag; without one the size, the time of change and the inode.

    Raises:
        StoreError: They cannot be listed.
    """
    fs, path = filesystem(pattern)
    wanted = glob_expression(path)
    lines = []
    for name, entry in _listed(fs, literal_prefix(path), uri=pattern):
        if wanted.match(name):
            told = _etag(entry) or f"{entry['size']} {_when(entry)!r} {entry.get('ino', '')}"
            lines.append(f"{name}\n{told}\n".encode(errors="surrogateescape"))
    return f"sha256:{hashlib.sha256(b''.join(sorted(lines))).hexdigest()}" if lines else ""


def objects(pattern: str, *, partition: str | None = None, marker: str | None = None) -> Iterator[SourceObject]:
    """Return the files of a URI pattern (``*``, ``?``, ``[a-z]``, ``**`` over folders, ``{year}``), in no order.

    Names that cannot be kept in a dataset (``..``, a backslash, control characters, no UTF-8) are told and left out.

    Args:
        pattern: An fsspec URI.
        partition: How partitions are called, by the pattern's placeholders.
        marker: Files of this name below the pattern's folder are returned too.

    Raises:
        StoreError: They cannot be listed.
    """
    fs, path = filesystem(pattern)
    folder = source_folder(path)
    wanted = PathPattern(path, partition)
    # A marker need not begin as the files do.
    for name, entry in _listed(fs, folder if marker else literal_prefix(path), uri=pattern):
        part = wanted.match(name)
        if part is None:
            if marker is None or name.rpartition("/")[2] != marker:
                continue
            part = ""
        inside = name.removeprefix(folder)
        # Nearly all names are plain, and a look may have a million of them.
        if not _PLAIN.fullmatch(inside):
            try:
                require_relative(inside)
            except InvalidArtifactError as error:
                log.warning("%r is left out of %s: %s", name, pattern, error)
                continue
        uri = fs.unstrip_protocol(name)
        yield SourceObject(uri, version_of(entry), int(entry["size"]), _when(entry), part)


def names_after(folder: str, start: str) -> list[str]:
    """Return the names of the objects in a folder that sort after ``start``; empty when there is no such folder.

    On S3 what comes before is not listed (``StartAfter`` of
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).

    Raises:
        StoreError: They cannot be listed.
    """
    fs, path = filesystem(folder)
    fs.invalidate_cache()
    try:
        with store_errors("read", folder):
            if hasattr(fs, "call_s3"):
                key = f"{path.partition('/')[2]}/"
                entries = [name for name, _ in _s3_entries(fs, f"{path}/", StartAfter=f"{key}{start}")]
            else:
                entries = fs.ls(path, detail=False)
    except FileNotFoundError:
        return []
    names = (name.rpartition("/")[2] for name in entries)
    return sorted(name for name in names if name > start)


def entry_of(fs: Any, path: str) -> dict[str, Any]:
    """Return the entry of a file as the listing has it; a link stands for what it leads to.

    Raises:
        FileNotFoundError: There is no such file.
    """
    entry: dict[str, Any] = fs.info(path)
    return _followed(path, entry) if entry.get("islink") else entry


def version_of(entry: dict[str, Any]) -> str:
    """Return what tells a version of a file from others, wherever it is looked at from.

    ETag and second of change, so that the same content written again is another version; size and time of change where
    the store has no ETag.
    """
    etag = _etag(entry)
    return f"{etag} {int(_when(entry))}" if etag else f"{entry['size']} {_when(entry)!r}"


def _listed(fs: Any, prefix: str, *, uri: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return all files whose names begin with a prefix.

    On S3 a page of 1000 is held at a time
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html); other stores are listed at once.
    """
    fs.invalidate_cache()
    with store_errors("list", uri):
        yield from _entries(fs, prefix)


def _entries(fs: Any, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if hasattr(fs, "call_s3"):
        yield from _s3_entries(fs, prefix)
        return
    for name, listed in fs.find(prefix.rpartition("/")[0], detail=True).items():
        try:
            entry = _followed(name, listed) if listed.get("islink") else listed
        except FileNotFoundError:
            continue
        if entry["type"] == "file":
            yield name, entry


def _followed(path: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the entry of a local link with what it leads to."""
    found = Path(path).stat()
    kind = "file" if stat.S_ISREG(found.st_mode) else "other"
    return {**entry, "type": kind, "size": found.st_size, "mtime": found.st_mtime, "ino": found.st_ino}


def _s3_entries(fs: Any, prefix: str, **more: str) -> Iterator[tuple[str, dict[str, Any]]]:
    bucket, _, key = prefix.partition("/")
    while True:
        page = fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=key, **more)
        for entry in page.get("Contents", []):
            if not entry["Key"].endswith("/"):
                yield f"{bucket}/{entry['Key']}", {**entry, "size": entry["Size"]}
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _etag(entry: dict[str, Any]) -> str:
    return next((str(entry[key]).strip('"') for key in _ETAGS if entry.get(key)), "")


def _when(entry: dict[str, Any]) -> float:
    for key in _TIMES:
        found = entry.get(key)
        if isinstance(found, dt.datetime):
            return found.timestamp()
        if isinstance(found, int | float):
            return float(found)
        if isinstance(found, str):
            try:
                return dt.datetime.fromisoformat(found.replace("Z", "+00:00")).timestamp()
            except ValueError:
                continue
    return 0.0
