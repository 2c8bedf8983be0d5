"""Single objects in a store: read, write whole, create exactly once."""

from __future__ import annotations

import errno
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from airflow_ml_provider.artifacts.errors import (
    AlreadyExistsError,
    InvalidArtifactError,
    StoreAwayError,
    StoreUnavailableError,
)
from airflow_ml_provider.protocol.plain_text import one_line

OBJECT_LIMIT_BYTES = 16 * 1024 * 1024
"""Records of the store are smaller by far; who reads larger ones says so."""
_SAID_LENGTH = 500
_LEFT_BEHIND_SECONDS = 600
"""No writer takes as long between the first byte of an object and its name."""


def filesystem(uri: str, *, redirects: bool = True) -> tuple[Any, str]:
    """Return the fsspec file system of a URI and the path in it.

    Args:
        uri: The URI.
        redirects: Whether a web server may send its client elsewhere.

    Raises:
        StoreUnavailableError: No file system is installed for the URI's scheme, or it cannot be opened.
    """
    try:
        import fsspec

        stays = uri.startswith(("http://", "https://")) and not redirects
        options = {"allow_redirects": False, "client_kwargs": {"raise_for_status": _stays}} if stays else {}
        return fsspec.core.url_to_fs(uri, **options)  # type: ignore[no-any-return]
    except ImportError as error:
        raise StoreUnavailableError(
            f"no file system is installed for {uri}: {error}; install the fsspec package of that scheme "
            f"(pip install 'airflow-ml-provider[s3]' for s3://)"
        ) from error
    except ValueError as error:
        raise StoreUnavailableError(f"{uri} is not a URI that fsspec can open: {error}") from error


async def _stays(response: Any) -> None:
    if 300 <= response.status < 400:
        raise OSError(f"it sends its client to {response.headers.get('Location')!r}, which this run may not read")


@contextmanager
def store_errors(action: str, uri: str) -> Iterator[None]:
    """Name the action and the URI in whatever the file system raises.

    That an object to ``read`` is missing, or one to create exists, passes unchanged.

    Raises:
        StoreAwayError: The store did not answer.
        StoreUnavailableError: The file system raised anything else.
    """
    try:
        yield
    except FileExistsError:
        raise
    except FileNotFoundError as error:
        if action == "read":
            raise
        raise StoreUnavailableError(f"could not {action} {uri}: {one_line(str(error))}") from error
    except _backend_errors() as error:
        kind = StoreAwayError if _is_away(error) else StoreUnavailableError
        said = one_line(f"{type(error).__name__}: {error}", _SAID_LENGTH)
        raise kind(
            f"could not {action} {uri}: {said}; check that the store can be reached and that its credentials allow this"
        ) from error


def read_object(uri: str, *, limit: int = OBJECT_LIMIT_BYTES) -> bytes:
    """Return the content of one object.

    Args:
        uri: The object.
        limit: How many bytes it may have; more are not read.

    Raises:
        FileNotFoundError: There is no such object.
        InvalidArtifactError: It has more bytes.
        StoreUnavailableError: The store did not answer.
    """
    fs, path = filesystem(uri)
    with store_errors("read", uri):
        try:
            content: bytes = fs.cat_file(path, end=limit + 1)
        except OSError as error:
            if _s3_error_code(error) != "InvalidRange":
                raise
            # S3 has no range of an object without bytes.
            content = b""
    if len(content) > limit:
        raise InvalidArtifactError(f"{uri} has more than the {limit:,} bytes that may be read of it")
    return content


def create_object(uri: str, content: bytes) -> None:
    """Create an object exactly once; no reader ever sees a part of it.

    Local files are linked into place (``link(2)`` fails where the name exists), on Linux from a file that has no name
    before, so that nothing is left of a writer that is killed; S3 takes
    ``If-None-Match: *`` (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).

    Raises:
        AlreadyExistsError: The object exists.
        StoreUnavailableError: The store did not answer.
    """
    fs, path = filesystem(uri)
    with store_errors("create", uri):
        try:
            if is_local(fs):
                _create_local(Path(path), content)
            else:
                _create_remote(fs, path, content)
        except FileExistsError as error:
            raise AlreadyExistsError(f"{uri} exists already") from error


def create_or_match(uri: str, content: bytes) -> None:
    """Create an object exactly once; that it is there with this very content is success too.

    A client that sends a request again because the answer was lost finds its own object.

    Raises:
        AlreadyExistsError: The object exists with other content.
        StoreUnavailableError: The store did not answer.
    """
    try:
        create_object(uri, content)
    except AlreadyExistsError:
        if read_object(uri, limit=max(len(content), OBJECT_LIMIT_BYTES)) != content:
            raise


def _create_local(path: Path, content: bytes) -> None:
    _make_folder(path.parent)
    try:
        _create_from_unnamed(path, content)
    except FileExistsError:
        raise
    except (AttributeError, OSError):
        # Neither every system nor every file system has files without a name.
        temporary = _write_beside(path, content)
        try:
            os.link(temporary, path)
        finally:
            temporary.unlink()


def _create_from_unnamed(path: Path, content: bytes) -> None:
    descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        # With the descriptor of a folder, whichever, link() follows the link in /proc.
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)


def _create_remote(fs: Any, path: str, content: bytes) -> None:
    for last in (False, False, True):
        try:
            fs.pipe_file(path, content, mode="create")
        except OSError as error:
            code = _s3_error_code(error)
            if code in ("PreconditionFailed", "412"):
                raise FileExistsError(path) from error
            if code != "ConditionalRequestConflict" or last:
                raise
        else:
            return


def _s3_error_code(error: BaseException | None) -> str | None:
    """Return the code of the botocore error behind an OSError of s3fs."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code"))
        error = error.__cause__
    return None


def write_object(uri: str, content: bytes) -> None:
    """Write an object whole, replacing an older one; no reader ever sees a part of it.

    Raises:
        StoreUnavailableError: The store did not answer.
    """
    fs, path = filesystem(uri)
    with store_errors("write", uri):
        if is_local(fs):
            _replace_local(Path(path), content)
        else:
            fs.pipe_file(path, content)


def _replace_local(path: Path, content: bytes) -> None:
    with suppress(FileExistsError):
        _create_local(path, content)
        return
    # All writers of an object take one name, so what one left who was killed goes with the next.
    waiting = path.with_name(f".{path.name}.tmp")
    while True:
        try:
            _create_local(waiting, content)
        except FileExistsError:
            waiting.unlink(missing_ok=True)
            continue
        # Another writer may have taken it for left behind.
        with suppress(FileNotFoundError):
            waiting.replace(path)
            return


def upload_file(fs: Any, path: Path, target: str) -> None:
    """Copy one local file to a path of a file system; parents are made where the store has folders."""
    if not is_local(fs):
        fs.put_file(str(path), target)
        return
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    try:
        fs.put_file(str(path), target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            # What a full disk took of it would keep the disk full.
            Path(target).unlink(missing_ok=True)
        raise


def is_local(fs: Any) -> bool:
    """Whether a file system is that of this machine."""
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(fs, LocalFileSystem)


def _write_beside(path: Path, content: bytes) -> Path:
    _make_folder(path.parent)
    # Not tempfile's: its files can be read by their owner alone, and on a shared volume pods are other users.
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(content)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _remove_left_behind(path.parent, before=temporary.stat().st_mtime - _LEFT_BEHIND_SECONDS)
    return temporary


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(f"{folder} is not a folder") from error


def _remove_left_behind(folder: Path, *, before: float) -> None:
    """Remove what writers that were killed left in a folder before a time by the folder's own clock."""
    for path in folder.glob(".*.tmp"):
        with suppress(OSError):
            if path.stat().st_mtime < before:
                path.unlink()


# Connection errors of the clients are not OSErrors; their modules are loaded exactly when they are in use.
_BACKEND_ERRORS = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
)
_CONNECTION_ERRORS = (("botocore.exceptions", "HTTPClientError"), ("aiohttp", "ClientConnectionError"))
_AWAY_CODES = ("500", "502", "503", "504", "InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown")


def _backend_errors() -> tuple[type[Exception], ...]:
    return (OSError, *_loaded(*_BACKEND_ERRORS, *_CONNECTION_ERRORS))


def _is_away(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, (ConnectionError, TimeoutError, *_loaded(*_CONNECTION_ERRORS))):
            return True
        response = getattr(error, "response", None)
        if isinstance(response, dict) and str(response.get("Error", {}).get("Code")) in _AWAY_CODES:
            return True
        error = error.__cause__ or error.__context__
    return False


def _loaded(*names: tuple[str, str]) -> tuple[type[Exception], ...]:
    return tuple(getattr(sys.modules[module], name) for module, name in names if module in sys.modules)
