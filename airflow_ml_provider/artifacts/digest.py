"""Content digests of files and folders, independent of file order, times and permissions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from airflow_ml_provider.artifacts.errors import InvalidArtifactError

_BLOCK_BYTES = 1024 * 1024
_TREE_HEADER = b"airflow-ml tree 1\n"


@dataclass(frozen=True, order=True)
class FileEntry:
    """One file of an artifact.

    Attributes:
        path: Relative to the artifact with ``/``; empty when the artifact is that file itself.
        size: In bytes.
        sha256: 64 hex digits.
    """

    path: str
    size: int
    sha256: str


def scan(path: Path) -> list[FileEntry]:
    """Read a file or a folder and return its entries, sorted by path.

    A link within a folder to something else in it (``latest -> epoch_9.ckpt``) counts as a copy of that.

    Raises:
        InvalidArtifactError: ``path`` does not exist, or holds a link that leaves it, a socket or an odd file name.
    """
    if path.is_symlink():
        raise InvalidArtifactError(f"{path.name}: is a symbolic link; write the content itself")
    if path.is_file():
        return [_entry(path, "")]
    if not path.is_dir():
        raise InvalidArtifactError(f"{path.name}: no such file or folder")
    return sorted(_entry(found, require_relative(relative)) for relative, found in _files(path, path.resolve(), ()))


def _files(folder: Path, root: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    holding = [folder.resolve(), *(part.parent.resolve() for part in above)]
    for found in sorted(folder.iterdir()):
        relative = "/".join([*(part.name for part in above), found.name])
        shown = f"{root.name}/{relative}"
        if found.is_symlink():
            _require_inside(found, root, shown)
        if found.is_file():
            yield relative, found
        elif not found.is_dir():
            raise InvalidArtifactError(f"{shown}: is not a regular file")
        elif any(here.is_relative_to(found.resolve()) for here in holding):
            raise InvalidArtifactError(f"{shown}: is a symbolic link to a folder that holds it; remove it")
        else:
            yield from _files(found, root, (*above, found))


def _require_inside(link: Path, root: Path, shown: str) -> None:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise InvalidArtifactError(f"{shown}: is a symbolic link to nothing; remove it") from error
    if not target.is_relative_to(root):
        raise InvalidArtifactError(
            f"{shown}: is a symbolic link that leaves the folder; write the content itself, or link within the folder"
        )


def digest_of(entries: Iterable[FileEntry]) -> str:
    """Return the digest of an artifact from its entries.

    The digest of a single file is the SHA-256 of its content; that of a folder covers each file's path, size
    and digest, in the order of the paths.
    """
    entries = sorted(entries)
    if len(entries) == 1 and not entries[0].path:
        return f"sha256:{entries[0].sha256}"
    tree = hashlib.sha256(_TREE_HEADER)
    for entry in entries:
        tree.update(f"{entry.sha256} {entry.size} {entry.path}\n".encode())
    return f"sha256:{tree.hexdigest()}"


def require_relative(path: str) -> str:
    """Return ``path`` when it stays below its folder.

    Raises:
        InvalidArtifactError: It is absolute, climbs with ``..``, or holds control characters or a backslash.
    """
    parts = PurePosixPath(path).parts
    if (
        not parts
        or path.startswith("/")
        or ".." in parts
        or "\\" in path
        or any(ord(character) < 32 for character in path)
        or not _is_utf8(path)
        or PurePosixPath(path).as_posix() != path
    ):
        raise InvalidArtifactError(
            f"file name {path!r} is not allowed in an artifact: use relative UTF-8 names without '..', "
            f"backslashes and control characters"
        )
    return path


def require_apart(paths: Iterable[str]) -> None:
    """Raise when a name is there twice, or is that of a file and of a folder of other files.

    Args:
        paths: Relative names of files, with ``/``.

    Raises:
        InvalidArtifactError: Two names cannot be in one folder.
    """
    files: set[str] = set()
    folders: dict[str, str] = {}
    for path in paths:
        if path in files:
            raise InvalidArtifactError(f"{path!r} is there twice")
        files.add(path)
        for above in PurePosixPath(path).parents:
            folders.setdefault(above.as_posix(), path)
    if both := sorted(files & folders.keys()):
        raise InvalidArtifactError(f"{both[0]!r} is a file, and the folder of {folders[both[0]]!r}: rename one of them")


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content as 64 hex digits."""
    digest = hashlib.sha256()  # file_digest() needs Python 3.11; a stage may have 3.10
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _entry(path: Path, relative: str) -> FileEntry:
    return FileEntry(path=relative, size=path.stat().st_size, sha256=hash_file(path))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
