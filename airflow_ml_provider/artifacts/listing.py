"""What files there are and which versions, told without reading them."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow_ml_provider.artifacts.digest import require_relative
from airflow_ml_provider.artifacts.errors import InvalidArtifactError
from airflow_ml_provider.artifacts.objects import filesystem, is_local, store_errors
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
    for name, entry in _listed(fs, literal_prefix(path), uri=pattern, depth=_depth(path)):
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
    depth = None if marker else _depth(path)
    for name, entry in _listed(fs, folder if marker else literal_prefix(path), uri=pattern, depth=depth):
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


def paths_of(pattern: str) -> list[str]:
    """Return the paths of all files of a pattern with wildcards alone, links and linked folders followed.

    Raises:
        StoreError: They cannot be listed.
    """
    fs, path = filesystem(pattern)
    with store_errors("list", pattern):
        if not is_local(fs) or literal_prefix(path) == path:
            return sorted(found for found in fs.glob(path) if fs.isfile(found))
        wanted = glob_expression(path)
        listed = _local_files(literal_prefix(path).rpartition("/")[0], depth=_depth(path))
        return sorted(name for name, _ in listed if wanted.match(name))


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
    return {**entry, **_status(Path(path).stat())} if entry.get("islink") else entry


def version_of(entry: dict[str, Any]) -> str:
    """Return what tells a version of a file from others, wherever it is looked at from.

    ETag and second of change, so that the same content written again is another version; size and time of change where
    the store has no ETag.
    """
    etag = _etag(entry)
    return f"{etag} {int(_when(entry))}" if etag else f"{entry['size']} {_when(entry)!r}"


def _depth(pattern: str) -> int | None:
    """Return how many folders deep the files of a pattern lie below its prefix, ``None`` for any."""
    return None if "**" in pattern else pattern.removeprefix(source_folder(pattern)).count("/")


def _listed(fs: Any, prefix: str, *, uri: str, depth: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return all files whose names begin with a prefix, local ones not below a depth.

    On S3 a page of 1000 is held at a time
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html); other stores are listed at once.
    """
    fs.invalidate_cache()
    with store_errors("list", uri):
        if hasattr(fs, "call_s3"):
            yield from _s3_entries(fs, prefix)
        elif is_local(fs):
            yield from _local_files(prefix.rpartition("/")[0], depth=depth)
        else:
            found = fs.find(prefix.rpartition("/")[0], detail=True)
            yield from ((name, entry) for name, entry in found.items() if entry["type"] == "file")


def _local_files(
    folder: str, *, depth: int | None, above: frozenset[str] = frozenset()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the files below a folder; what cannot be read, or holds itself by links, is told and left out."""
    within = above | {os.path.realpath(folder)}
    try:
        found = sorted(os.scandir(folder or "/"), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("Folder %r is left out: %s", folder, error.strerror)
        return
    for entry in found:
        try:
            status = entry.stat()
        except FileNotFoundError:
            if entry.is_symlink():
                log.warning("%r is left out: it is a link to nothing", entry.path)
            continue
        except OSError as error:
            log.warning("%r is left out: %s", entry.path, error.strerror)
            continue
        if stat.S_ISREG(status.st_mode):
            if os.access(entry.path, os.R_OK):
                yield entry.path, _status(status)
            else:
                log.warning("%r is left out: it may not be read", entry.path)
        elif stat.S_ISDIR(status.st_mode) and depth != 0:
            real = os.path.realpath(entry.path)
            if entry.is_symlink() and any(f"{each}/".startswith(f"{real}/") for each in within):
                log.warning("%r is left out: it is a link to a folder that holds it", entry.path)
                continue
            yield from _local_files(entry.path, depth=None if depth is None else depth - 1, above=within)


def _status(found: os.stat_result) -> dict[str, Any]:
    kind = "file" if stat.S_ISREG(found.st_mode) else "other"
    return {"type": kind, "size": found.st_size, "mtime": found.st_mtime, "ino": found.st_ino}


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
