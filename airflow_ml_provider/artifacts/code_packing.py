"""A folder of code as one archive with the same bytes wherever it is packed."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from airflow_ml_provider.artifacts.code_unpacking import CODE_LIMIT_BYTES, CODE_LIMIT_FILES
from airflow_ml_provider.artifacts.digest import require_relative
from airflow_ml_provider.artifacts.errors import InvalidArtifactError

_IGNORED_FOLDERS = {"__pycache__", "node_modules"}
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack_code(folder: Path) -> bytes:
    """Pack a folder under its own name into a zip file; hidden files and ``__pycache__`` stay out.

    A folder that is a link is packed under the link's name, by which the code imports itself.

    Entries are sorted, stored uncompressed and carry no times, so equal folders give equal bytes on every
    machine and with every zlib.

    Raises:
        InvalidArtifactError: The folder is missing, empty, over 64 MiB or 20,000 files, or holds links that leave it.
    """
    if not folder.is_dir():
        raise InvalidArtifactError(f"code folder {folder} does not exist")
    root, name = folder.resolve(), code_name(folder)
    files = _code_files(root)
    if not files:
        raise InvalidArtifactError(f"code folder {folder} holds no file")
    if len(files) > CODE_LIMIT_FILES:
        raise InvalidArtifactError(
            f"code folder {folder} has {len(files):,} files, {CODE_LIMIT_FILES:,} are allowed: keep data out of it"
        )
    size = sum(path.stat().st_size for path in files)
    if size > CODE_LIMIT_BYTES:
        raise InvalidArtifactError(
            f"code folder {folder} has {size:,} bytes, {CODE_LIMIT_BYTES:,} are allowed: "
            f"keep data out of it and pass it as an input"
        )
    return pack_files(
        {f"{name}/{path.relative_to(root).as_posix()}": (path.read_bytes(), os.access(path, os.X_OK)) for path in files}
    )


def folder_bytes(folder: Path) -> int:
    """Return the size of the files of a folder that :func:`pack_code` packs.

    Raises:
        InvalidArtifactError: It holds links that leave it.
    """
    return sum(path.stat().st_size for path in _code_files(folder.resolve()))


def code_name(folder: Path) -> str:
    """Return the name that a folder of code is imported by: its own, also where it is a link."""
    return Path(os.path.abspath(folder)).name  # noqa: PTH100 - resolve() would follow the link


def pack_files(files: Mapping[str, tuple[bytes, bool]]) -> bytes:
    """Pack files, in the order given; each with its content and whether it can be executed.

    Raises:
        InvalidArtifactError: A name leaves the archive.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, (content, executable) in files.items():
            entry = zipfile.ZipInfo(require_relative(name), date_time=_EPOCH)
            entry.external_attr = (0o755 if executable else 0o644) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _code_files(root: Path) -> list[Path]:
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _IGNORED_FOLDERS and not name.startswith(".")]
        for name in (*folders, *names):
            path = Path(folder, name)
            if name.startswith(".") or name.endswith(".pyc") or (path.is_dir() and not path.is_symlink()):
                continue
            if not path.exists():
                raise InvalidArtifactError(
                    f"code file {path} is a link to nothing; remove it, or make what it points to"
                )
            if path.is_dir() or not path.resolve().is_relative_to(root):
                raise InvalidArtifactError(
                    f"code file {path} is a link to a folder or leaves {root}; copy the content there"
                )
            found.append(path)
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())
