"""Which files there are from outside, and what is new among them: what only Airflow's side asks."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from typing import Any

from airflow_ml_provider.artifacts.digest import require_relative
from airflow_ml_provider.artifacts.errors import InvalidArtifactError, StoreUnavailableError
from airflow_ml_provider.artifacts.listing import depth_of, etag_of, local_files, time_of, version_of
from airflow_ml_provider.artifacts.objects import filesystem, is_local, store_errors
from airflow_ml_provider.artifacts.path_pattern import PathPattern, glob_expression, literal_prefix, source_folder
from airflow_ml_provider.protocol.manifest import SourceObject

log = logging.getLogger(__name__)

_NO_VERSION = "shows neither an ETag nor a size and a time of change"
_PLAIN = re.compile(r"(?:[A-Za-z0-9_=-][A-Za-z0-9_.=-]*/)*[A-Za-z0-9_=-][A-Za-z0-9_.=-]*")


def fingerprint(pattern: str, *, redirects: bool = True) -> str:
    """Return a digest over the names and versions of all files of a pattern, empty when there is none.

    A version is the ETag; without one the size, the time of change and the inode.

    Args:
        pattern: An fsspec URI.
        redirects: Whether a web server may send its client elsewhere.

    Raises:
        StoreError: They cannot be listed, or one of them has no version.
    """
    fs, path = filesystem(pattern, redirects=redirects)
    wanted = glob_expression(path)
    lines = []
    for name, entry in _listed(fs, literal_prefix(path), uri=pattern, depth=depth_of(path)):
        if wanted.match(name):
            if not _has_version(entry):
                raise StoreUnavailableError(f"{name} {_NO_VERSION}")
            version = etag_of(entry) or f"{entry['size']} {time_of(entry)!r} {entry.get('ino', '')}"
            lines.append(f"{name}\n{version}\n".encode(errors="surrogateescape"))
    return f"sha256:{hashlib.sha256(b''.join(sorted(lines))).hexdigest()}" if lines else ""


def objects(pattern: str, *, partition: str | None = None, marker: str | None = None) -> Iterator[SourceObject]:
    """Return the files of a URI pattern (``*``, ``?``, ``[a-z]``, ``**`` over folders, ``{year}``), in no order.

    Names that cannot be kept in a dataset (``..``, a backslash, control characters, no UTF-8) are logged and left out,
    as is what shows neither an ETag nor a size and a time of change.

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
    depth = None if marker else depth_of(path)
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
        if not _has_version(entry):
            log.warning("%r is left out of %s: it %s", name, pattern, _NO_VERSION)
            continue
        uri = fs.unstrip_protocol(name)
        yield SourceObject(uri, version_of(entry), int(entry["size"] or 0), time_of(entry), part)


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
            yield from local_files(prefix.rpartition("/")[0], depth=depth)
        else:
            yield from _elsewhere(fs, prefix)


def _has_version(entry: dict[str, Any]) -> bool:
    """Whether a listed file shows that it changed: by its ETag, or by size and time of change."""
    return bool(etag_of(entry)) or (entry.get("size") is not None and time_of(entry) > 0)


def _elsewhere(fs: Any, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        listed = fs.find(prefix.rpartition("/")[0], detail=True)
    except FileNotFoundError:
        listed = {}
    found = {name: entry for name, entry in listed.items() if name.startswith(prefix)}
    # A web server may show a file and not the folder that it is in; a folder that it shows has names alone.
    for name, entry in (found or {prefix: {}}).items():
        try:
            known = entry if _has_version(entry) else {**entry, **fs.info(name)}
        except FileNotFoundError:
            continue
        if known["type"] == "file":
            yield name, known


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
