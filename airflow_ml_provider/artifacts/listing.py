"""What files there are and which versions, found without reading them."""

from __future__ import annotations

import datetime as dt
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from airflow_ml_provider.artifacts.objects import filesystem, is_local, store_errors
from airflow_ml_provider.artifacts.path_pattern import glob_expression, literal_prefix, source_folder

log = logging.getLogger(__name__)

_Within = tuple[str, "_Within | None"]
"""Where a folder really lies, and the folder that it was found in."""
_Folder = tuple[str, int | None, _Within]
"""The path of a folder, how many levels of folders below it count, and where it lies."""
_ETAGS = ("ETag", "etag", "md5Hash", "content_md5")
_TIMES = ("mtime", "LastModified", "last_modified", "Last-Modified", "updated", "created")


def paths_of(pattern: str, fs: Any = None) -> list[str]:
    """Return the paths of all files of a pattern with wildcards alone, links and linked folders followed.

    Args:
        pattern: The pattern.
        fs: Its file system, ``None`` for the usual one.

    Raises:
        StoreError: They cannot be listed.
    """
    usual, path = filesystem(pattern)
    fs = fs or usual
    with store_errors("list", pattern):
        if not is_local(fs) or literal_prefix(path) == path:
            return sorted(found for found in fs.glob(path) if fs.isfile(found))
        wanted = glob_expression(path)
        listed = local_files(literal_prefix(path).rpartition("/")[0], depth=depth_of(path))
        return sorted(name for name, _ in listed if wanted.match(name))


def entry_of(fs: Any, path: str) -> dict[str, Any]:
    """Return the entry of a file as the listing has it; a link stands for what it leads to.

    Raises:
        FileNotFoundError: There is no such file.
    """
    entry: dict[str, Any] = fs.info(path)
    return {**entry, **_status(Path(path).stat())} if entry.get("islink") else entry


def version_of(entry: dict[str, Any]) -> str:
    """Return what distinguishes a version of a file from others, wherever it is looked at from.

    ETag and second of change, so that the same content written again is another version; size and time of change where
    the store has no ETag.
    """
    etag = etag_of(entry)
    return f"{etag} {int(time_of(entry))}" if etag else f"{entry['size']} {time_of(entry)!r}"


def depth_of(pattern: str) -> int | None:
    """Return how many folders deep the files of a pattern lie below its prefix, ``None`` for any."""
    return None if "**" in pattern else pattern.removeprefix(source_folder(pattern)).count("/")


def local_files(folder: str, *, depth: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the files below a folder, in no order.

    What cannot be read, leads out of the folder by a link, or holds itself by links, is logged and left out: whoever
    may write into a folder of data may not choose what else is read.
    """
    root = os.path.realpath(folder)
    # Neither by recursion nor by following each path: folders may lie deeper than Python's stack.
    left: list[_Folder] = [(folder, depth, (root.rstrip("/"), None))]
    while left:
        here, levels, within = left.pop()
        for entry, status in _entries(here, root):
            if stat.S_ISREG(status.st_mode):
                if os.access(entry.path, os.R_OK):
                    yield entry.path, _status(status)
                else:
                    log.warning("%r is left out: it may not be read", entry.path)
            elif stat.S_ISDIR(status.st_mode) and levels != 0:
                linked = entry.is_symlink()
                real = os.path.realpath(entry.path) if linked else f"{within[0]}/{entry.name}"
                if linked and _holds(real, within):
                    log.warning("%r is left out: it is a link to a folder that holds it", entry.path)
                    continue
                left.append((entry.path, None if levels is None else levels - 1, (real, within)))


def _holds(folder: str, within: _Within) -> bool:
    above: _Within | None = within
    while above is not None:
        if f"{above[0]}/".startswith(f"{folder}/"):
            return True
        above = above[1]
    return False


def _entries(folder: str, root: str) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    try:
        found = list(os.scandir(folder or "/"))
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
        if entry.is_symlink() and not lies_in(entry.path, root):
            log.warning("%r is left out: it is a link that leads out of %r; copy what it leads to", entry.path, root)
            continue
        yield entry, status


def lies_in(path: str, folder: str) -> bool:
    """Whether a local path is in a folder once its links are followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _status(found: os.stat_result) -> dict[str, Any]:
    kind = "file" if stat.S_ISREG(found.st_mode) else "other"
    return {"type": kind, "size": found.st_size, "mtime": found.st_mtime, "ino": found.st_ino}


def etag_of(entry: dict[str, Any]) -> str:
    """Return the ETag of a listed file, empty where its store has none."""
    return next((str(entry[key]).strip('"') for key in _ETAGS if entry.get(key)), "")


def time_of(entry: dict[str, Any]) -> float:
    """Return when a listed file was changed, in seconds since the epoch; 0 where nothing says it."""
    return known_time(entry) or 0.0


def known_time(entry: dict[str, Any]) -> float | None:
    """Return the same, ``None`` where nothing says it."""
    for key in _TIMES:
        found = entry.get(key)
        if isinstance(found, dt.datetime):
            return found.timestamp()
        if isinstance(found, int | float):
            return float(found)
        if isinstance(found, str):
            for read in (dt.datetime.fromisoformat, parsedate_to_datetime):
                with suppress(ValueError, OverflowError):
                    return read(found.replace("Z", "+00:00")).timestamp()
    return None
