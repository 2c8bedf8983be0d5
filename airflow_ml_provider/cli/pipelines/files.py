"""The pipeline files that a command was given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import typer

from airflow_ml_provider.protocol.plain_text import printable
from airflow_ml_provider.spec.loading.discovery import PIPELINE_FILE, PIPELINE_STEM, SUFFIXES, base_of, pipeline_files
from airflow_ml_provider.spec.loading.load import LoadedPipeline, known_environments, load
from airflow_ml_provider.spec.problems import SpecError, did_you_mean

MISTAKES = 1
USAGE = 2


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Return the pipeline files that paths name: files as they are, and those of folders.

    Raises:
        typer.Exit: A path does not exist, or a folder holds no pipeline.
    """
    return list(dict.fromkeys(file for path in paths for file in _files(path)))


def one_file(path: Path) -> Path:
    """Return the one pipeline file that a path names.

    Raises:
        typer.Exit: It names none, or several.
    """
    files = files_of([path])
    if len(files) > 1:
        fail(f"{path} holds {len(files)} pipelines; name one of them: {', '.join(map(str, files))}")
    return files[0]


def load_one(path: Path, *, environment: str | None, patch: Mapping[str, Any] | None = None) -> LoadedPipeline:
    """Read a pipeline; its mistakes and warnings are printed.

    Args:
        path: The file, or its folder.
        environment: Whose changes to take.
        patch: A JSON Merge Patch over it.

    Raises:
        typer.Exit: It has mistakes, or nothing to say of the environment.
    """
    file = one_file(path)
    try:
        require_environment([file], environment)
        loaded = load(file, environment=environment, patch=patch)
    except SpecError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(MISTAKES) from error
    for warning in loaded.warnings:
        typer.echo(str(warning), err=True)
    return loaded


def require_environment(files: Sequence[Path], environment: str | None) -> None:
    """End the command when none of the pipelines has anything to say of an environment: its name is misspelt.

    Raises:
        SpecError: A file cannot be read.
        typer.Exit: No pipeline knows the environment.
    """
    if environment is None:
        return
    known = sorted({name for file in files if base_of(file) is None for name in known_environments(file)})
    if environment not in known:
        fail(
            f"no pipeline here has an environment {environment!r}; there is {', '.join(known) or 'none'}"
            f"{did_you_mean(environment, known)}"
        )


def fail(message: str) -> NoReturn:
    """Print why a command cannot begin, and end it."""
    typer.echo(printable(f"airflow-ml: {message}"), err=True)
    raise typer.Exit(USAGE)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        fail(f"{path} does not exist")
    own = [path / f"{PIPELINE_STEM}{suffix}" for suffix in SUFFIXES]
    found = [file for file in own if file.is_file()] or [file for file in pipeline_files(path) if not _is_overlay(file)]
    if not found:
        fail(
            f"{path} holds no pipeline: neither NAME{SUFFIXES[0]} nor NAME/{PIPELINE_FILE}; "
            f"'airflow-ml init' writes one to begin with"
        )
    yield from found


def _is_overlay(file: Path) -> bool:
    base = base_of(file)
    return base is not None and base.is_file()
