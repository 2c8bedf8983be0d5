"""What files there are and which versions, told without reading them."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator
from typing import Any

from airflow_ml_provider.artifacts.objects import filesystem, store_errors
from airflow_ml_provider.protocol.manifest import SourceObject

_WILDCARD = re.compile(r"[*?\[]")
_ETAGS = ("ETag", "etag", "md5Hash", "content_md5")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")


def fingerprint(pattern: str) -> str:
    """Return a digest over the names and versions of all files of a pattern.

    Raises:
        StoreUnavailableError: They cannot be listed.
    """
    digest = hashlib.sha256()
    for found in sorted(objects(pattern)):
        digest.update(f"{found.uri}\n{found.version}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def objects(pattern: str) -> Iterator[SourceObject]:
    """Return the files of a URI pattern (``*``, ``?``, ``[a-z]``, and ``**`` over folders), in no order.

    Only what begins like the pattern does up to its first wildcard is listed. On S3 a page of 1000 is held at a time
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html); other stores are listed at once.

    Raises:
        StoreUnavailableError: They cannot be listed.
    """
    from fsspec.utils import glob_translate

    fs, path = filesystem(pattern)
    wanted = re.compile(glob_translate(path))
    prefix = literal_prefix(path)
    fs.invalidate_cache()
    with store_errors("list", pattern):
        for name, entry in _entries(fs, prefix):
            if wanted.match(name):
                yield SourceObject(
                    uri=fs.unstrip_protocol(name),
                    version=version_of(entry),
                    size=int(entry["size"]),
                    changed=_when(entry),
                )


def literal_prefix(pattern: str) -> str:
    """Return a pattern up to its first wildcard."""
    wildcard = _WILDCARD.search(pattern)
    return pattern[: wildcard.start()] if wildcard else pattern


def _entries(fs: Any, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if hasattr(fs, "call_s3"):
        yield from _s3_entries(fs, prefix)
        return
    folder = prefix.rpartition("/")[0]
    for name, entry in fs.find(folder, detail=True).items():
        if entry["type"] == "file":
            yield name, entry


def _s3_entries(fs: Any, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    bucket, _, key = prefix.partition("/")
    more: dict[str, str] = {}
    while True:
        page = fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=key, **more)
        for entry in page.get("Contents", []):
            if not entry["Key"].endswith("/"):
                yield f"{bucket}/{entry['Key']}", {**entry, "size": entry["Size"]}
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def version_of(entry: dict[str, Any]) -> str:
    """Return what tells a version of a file from others, from its entry in an fsspec listing.

    The ETag; without one the size, time of change and inode, which rsync, make and git's index trust.
    """
    for key in _ETAGS:
        if entry.get(key):
            return str(entry[key]).strip('"')
    return f"{entry['size']} {_when(entry)!r} {entry.get('ino', '')}".rstrip()


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
