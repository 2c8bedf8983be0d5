"""Single objects in a store: read, write whole, create exactly once."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_ml_provider.artifacts.errors import AlreadyExistsError, StoreUnavailableError


def filesystem(uri: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URI and the path in it.

    Raises:
        StoreUnavailableError: No file system is installed for the URI's scheme, or it cannot be opened.
    """
    import fsspec

    try:
        return fsspec.core.url_to_fs(uri)  # type: ignore[no-any-return]
    except ImportError as error:
        raise StoreUnavailableError(
            f"no file system is installed for {uri}: {error}; install the fsspec package of that scheme "
            f"(pip install 'airflow-ml-provider[s3]' for s3://)"
        ) from error
    except ValueError as error:
        raise StoreUnavailableError(f"{uri} is no URI that fsspec can open: {error}") from error


@contextmanager
def store_errors(action: str, uri: str) -> Iterator[None]:
    """Name the action and the URI in whatever the file system raises.

    That an object to ``read`` is missing, or one to create exists, passes unchanged.

    Raises:
        StoreUnavailableError: The file system raised.
    """
    try:
        yield
    except FileExistsError:
        raise
    except FileNotFoundError as error:
        if action == "read":
            raise
        raise StoreUnavailableError(f"could not {action} {uri}: {error}") from error
    except _backend_errors() as error:
        raise StoreUnavailableError(
            f"could not {action} {uri}: {type(error).__name__}: {error}; check that the store can be reached "
            f"and that its credentials allow this"
        ) from error


def read_object(uri: str) -> bytes:
    """Return the content of one object.

    Raises:
        FileNotFoundError: There is no such object.
        StoreUnavailableError: The store did not answer.
    """
    fs, path = filesystem(uri)
    with store_errors("read", uri):
        content: bytes = fs.cat_file(path)
    return content


def create_object(uri: str, content: bytes) -> None:
    """Create an object exactly once; no reader ever sees a part of it.

    Local files are linked into place (``link(2)`` fails where the name exists); S3 takes
    ``If-None-Match: *`` (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).

    Raises:
        AlreadyExistsError: The object exists.
        StoreUnavailableError: The store did not answer.
    """
    fs, path = filesystem(uri)
    with store_errors("create", uri):
        try:
            if _is_local(fs):
                temporary = _write_beside(Path(path), content)
                try:
                    os.link(temporary, path)
                finally:
                    temporary.unlink()
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
        if read_object(uri) != content:
            raise


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
        if _is_local(fs):
            _write_beside(Path(path), content).replace(path)
        else:
            fs.pipe_file(path, content)


def upload_file(fs: Any, path: Path, target: str) -> None:
    """Copy one local file to a path of a file system; parents are made where the store has folders."""
    if _is_local(fs):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
    fs.put_file(str(path), target)


def _is_local(fs: Any) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(fs, LocalFileSystem)


def _write_beside(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return Path(name)


def _backend_errors() -> tuple[type[Exception], ...]:
    # botocore's connection errors are no OSErrors; its module is loaded exactly when S3 is in use.
    botocore = sys.modules.get("botocore.exceptions")
    return (OSError,) if botocore is None else (OSError, botocore.BotoCoreError, botocore.ClientError)
