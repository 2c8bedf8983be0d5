"""Ingest: bring the files of a URI pattern into the store, names kept."""

from __future__ import annotations

from airflow_ml_provider.artifacts.digest import require_relative
from airflow_ml_provider.artifacts.errors import InvalidArtifactError
from airflow_ml_provider.artifacts.objects import filesystem, store_errors
from airflow_ml_provider.runtime.errors import BadDataError
from airflow_ml_provider.runtime.stages import BodyContext, BodyOutcome


def run(context: BodyContext) -> BodyOutcome:
    """Copy every file that ``options.uri`` matches into the output ``data``.

    Raises:
        BadDataError: Nothing matches, or a file is empty.
        StoreUnavailableError: The source does not answer.
    """
    uri = context.request.options["uri"]
    fs, pattern = filesystem(uri)
    with store_errors("list", uri):
        found = sorted(path for path in fs.glob(pattern) if fs.isfile(path))
    if not found:
        raise BadDataError(f"ingest: no file matches {uri}; check the path and the pattern")
    base = _common_folder(found)
    total = 0
    for path in found:
        target = context.outputs["data"] / _name(path, base)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with store_errors("read", path):
                fs.get_file(path, str(target))
        except FileNotFoundError as error:
            raise BadDataError(f"ingest: {path} was removed while it was to be copied") from error
        size = target.stat().st_size
        if size == 0:
            raise BadDataError(f"ingest: {path} is empty (0 bytes); remove it or write it again")
        total += size
    return BodyOutcome(metrics={"files": float(len(found)), "bytes": float(total)})


def _common_folder(paths: list[str]) -> str:
    folders = [path.rpartition("/")[0].split("/") for path in paths]
    shared: list[str] = []
    for level in zip(*folders, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return "".join(f"{part}/" for part in shared)


def _name(path: str, base: str) -> str:
    try:
        return require_relative(path.removeprefix(base))
    except InvalidArtifactError as error:
        raise BadDataError(f"ingest: {path}: {error}") from error
