"""Which files there are from outside, and what is new among them: what only Airflow's side asks."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from airflow_ml_provider.artifacts.digest import require_relative
from airflow_ml_provider.artifacts.errors import InvalidArtifactError, StoreUnavailableError
from airflow_ml_provider.artifacts.listing import depth_of, etag_of, known_time, local_files, time_of, version_of
from airflow_ml_provider.artifacts.objects import filesystem, is_local, store_errors
from airflow_ml_provider.artifacts.path_pattern import PathPattern, glob_expression, literal_prefix, source_folder
from airflow_ml_provider.protocol.manifest import SourceObject

log = logging.getLogger(__name__)

_GONE = (404, 410)
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
    lines = []
    for name, entry in _listed(fs, path, glob_expression(path).match, uri=pattern):
        version = etag_of(entry)
        if not version and (entry.get("size") is None or known_time(entry) is None):
            raise StoreUnavailableError(f"{name!r} shows neither an ETag nor a size and a time of change")
        version = version or f"{entry['size']} {time_of(entry)!r} {entry.get('ino', '')}"
        lines.append(f"{name}\n{version}\n".encode(errors="surrogateescape"))
    return f"sha256:{hashlib.sha256(b''.join(sorted(lines))).hexdigest()}" if lines else ""


def objects(pattern: str, *, partition: str | None = None, marker: str | None = None) -> Iterator[SourceObject]:
    """Return the files of a URI pattern (``*``, ``?``, ``[a-z]``, ``**`` over folders, ``{year}``), in no order.

    Names that cannot be kept in a dataset (``..``, a backslash, control characters, no UTF-8) are logged and left out,
    and files that show neither an ETag nor a size. Without ETag and time of change, another size is another version.

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
    for name, entry in _listed(fs, path, wanted.match, uri=pattern, marker=marker):
        inside = name.removeprefix(folder)
        # Nearly all names are plain, and a look may have a million of them.
        if not _PLAIN.fullmatch(inside):
            try:
                require_relative(inside)
            except InvalidArtifactError as error:
                log.warning("%r is left out of %s: %s", name, pattern, error)
                continue
        if not etag_of(entry) and entry.get("size") is None:
            log.warning("%r is left out of %s: it shows neither an ETag nor a size", name, pattern)
            continue
        uri = fs.unstrip_protocol(name)
        part = wanted.match(name) or ""
        yield SourceObject(uri, version_of(entry), int(entry.get("size") or 0), time_of(entry), part)


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


def _listed(
    fs: Any, path: str, match: Callable[[str], object], *, uri: str, marker: str | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the files of a pattern, and those below its folder that have a marker's name.

    ``match`` returns ``None`` for the names of others.

    On S3 a page of 1000 is held at a time
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html); other stores are listed at once.
    """
    fs.invalidate_cache()
    # A marker need not begin as the files do, nor lie as deep.
    prefix = source_folder(path) if marker else literal_prefix(path)
    with store_errors("list", uri):
        found: Iterable[tuple[str, dict[str, Any]]]
        if hasattr(fs, "call_s3"):
            found = _s3_entries(fs, prefix)
        elif is_local(fs):
            found = local_files(prefix.rpartition("/")[0], depth=None if marker else depth_of(path))
        elif prefix == path:
            # A web server may show a file and not the folder that it is in.
            found = [(path, {})]
        else:
            found = fs.find(prefix.rpartition("/")[0], detail=True).items()
        for name, entry in found:
            if match(name) is not None or (marker is not None and name.rpartition("/")[2] == marker):
                known = entry if etag_of(entry) or entry.get("size") is not None else _asked(fs, name)
                if known is not None and known.get("type") in (None, "file"):
                    yield name, known


def _asked(fs: Any, name: str) -> dict[str, Any] | None:
    """Return what a file system says of a file that its listing only names, as a web server's does."""
    try:
        found: dict[str, Any] = fs.info(name)
    except FileNotFoundError as error:
        # fsspec says this of whatever a web server answers.
        cause = error.__cause__
        if cause is None or isinstance(cause, FileNotFoundError) or getattr(cause, "status", 0) in _GONE:
            return None
        raise OSError(f"{name!r}: {cause}") from error
    return found


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
