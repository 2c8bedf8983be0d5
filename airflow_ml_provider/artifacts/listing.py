"""What tells the versions of files apart without reading them."""

from __future__ import annotations

import hashlib
from typing import Any

from airflow_ml_provider.artifacts.objects import filesystem, store_errors


def fingerprint(pattern: str) -> str:
    """Return a digest over the names and versions of all files of a pattern.

    Raises:
        StoreUnavailableError: They cannot be listed.
    """
    fs, path = filesystem(pattern)
    fs.invalidate_cache()
    with store_errors("list", pattern):
        found = fs.glob(path, detail=True)
    digest = hashlib.sha256()
    for name in sorted(found):
        if found[name]["type"] == "file":
            digest.update(f"{name}\n{version(found[name])}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def version(entry: dict[str, Any]) -> str:
    """Return what an entry of an fsspec listing says of its file's version.

    The ETag of an object store; where there is none the size, the time of change, and the inode of a local file:
    what rsync and make trust, and git with its index.
    """
    for key in ("ETag", "etag", "md5Hash", "content_md5"):
        if entry.get(key):
            return str(entry[key]).strip('"')
    changed = entry.get("mtime") or entry.get("LastModified") or entry.get("last_modified") or ""
    return f"{entry['size']} {changed} {entry.get('ino', '')}"
