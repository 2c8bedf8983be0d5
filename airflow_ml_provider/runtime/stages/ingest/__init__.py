"""Ingest: bring the files of a URI pattern, or exactly those of a manifest, into the store, names kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow_ml_provider.artifacts.digest import require_apart, require_relative
from airflow_ml_provider.artifacts.errors import InvalidArtifactError
from airflow_ml_provider.artifacts.listing import entry_of, lies_in, paths_of, version_of
from airflow_ml_provider.artifacts.objects import filesystem, is_local, store_errors
from airflow_ml_provider.artifacts.path_pattern import source_folder
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.manifest import SourceObject, from_lines, to_lines
from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.errors import BadDataError


def run(context: BodyContext) -> BodyOutcome:
    """Copy every file that ``options.uri`` matches, or ``options.manifest`` lists, into the output ``data``.

    Raises:
        BadDataError: Nothing matches, or a file is empty.
        StoreUnavailableError: The source does not answer.
    """
    if "manifest" in context.request.options:
        return _of_files(context) if context.request.options["files"] else _of_manifest(context)
    uri = context.request.options["uri"]
    fs, _ = filesystem(uri, redirects=context.request.options.get("redirects", True))
    found = paths_of(uri, fs)
    if not found:
        remedy = "check the path and the pattern"
        if "://" not in uri.removeprefix("file://") and "KUBERNETES_SERVICE_HOST" in os.environ:
            remedy = "the pod looks on its own disk: use a URI such as s3://bucket/folder, or mount the folder"
        raise BadDataError(f"ingest: no file matches {uri}; {remedy}")
    base = _common_folder(found)
    try:
        require_apart(_name(path, base) for path in found)
    except InvalidArtifactError as error:
        raise BadDataError(f"ingest: of {uri} {error}") from error
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


def _of_manifest(context: BodyContext) -> BodyOutcome:
    options = context.request.options
    manifest = context.store.fetch_content(ArtifactRef.from_plain(options["manifest"]))
    fs, pattern = filesystem(options["uri"])
    folder = source_folder(pattern)
    copied: list[SourceObject] = []
    for listed in from_lines(manifest):
        # Of a name alone: what looks like a chain of URLs in it is none.
        path = fs._strip_protocol(listed.uri)
        if is_local(fs) and not lies_in(path, folder):
            raise BadDataError(f"ingest: {listed.uri} leads out of {folder} by a link: copy what it leads to")
        if _copy_version(fs, path, listed, context.outputs["data"] / _name(path, folder)):
            copied.append(listed)
        else:
            print(f"{listed.uri} is not the version any more that this run was given: left out", flush=True)
    if not copied:
        raise BadDataError(f"ingest: nothing of what this run was given of {options['uri']} is there any more")
    context.outputs["manifest"].write_bytes(to_lines(copied))
    counts = {"objects": len(copied), "bytes": sum(listed.size for listed in copied)}
    return BodyOutcome(metrics={name: float(count) for name, count in counts.items()})


def _of_files(context: BodyContext) -> BodyOutcome:
    """Write what Airflow's side read for this run: rows, versions, events."""
    options = context.request.options
    manifest = context.store.fetch_content(ArtifactRef.from_plain(options["manifest"]))
    given = list(from_lines(manifest))
    if not given:
        raise BadDataError(f"ingest: nothing of what this run was given of {options['uri']} is there any more")
    size = 0
    for name, ref in options["files"].items():
        content = context.store.fetch_content(ArtifactRef.from_plain(ref))
        target = context.outputs["data"] / require_relative(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        size += len(content)
    context.outputs["manifest"].write_bytes(manifest)
    return BodyOutcome(metrics={"objects": float(len(given)), "bytes": float(size)})


def _copy_version(fs: Any, path: str, listed: SourceObject, target: Path) -> bool:
    """Copy a version of an object; another version that took its place is another run's."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadDataError(f"ingest: {listed.uri} lies below the name of another file; rename one of them") from error
    if target.is_dir():
        raise BadDataError(f"ingest: {listed.uri} has the name of the folder of others; rename one of them")
    for _ in ("before", "after"):
        fs.invalidate_cache()
        try:
            with store_errors("read", listed.uri):
                if version_of(entry_of(fs, path)) != listed.version:
                    target.unlink(missing_ok=True)
                    return False
                if not target.exists():
                    fs.get_file(path, str(target))
        except FileNotFoundError:
            target.unlink(missing_ok=True)
            return False
    return True


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
