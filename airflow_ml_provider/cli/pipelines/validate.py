"""``airflow-ml validate``: every mistake of every file, for people, editors and CI."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from airflow_ml_provider import __version__
from airflow_ml_provider.cli.pipelines.files import fail
from airflow_ml_provider.spec.loading.discovery import PIPELINE_STEM, base_of, dag_id_of
from airflow_ml_provider.spec.loading.load import LoadedPipeline, known_environments, load
from airflow_ml_provider.spec.problems import Problem, SpecError


class Format(StrEnum):
    """How mistakes are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


@dataclass(frozen=True)
class Checked:
    """A file and what is wrong with it.

    Attributes:
        file: The file.
        pipeline: The pipeline's name, empty when it has mistakes.
        stages: How many stages it has.
        problems: Mistakes and warnings.
    """

    file: str
    pipeline: str
    stages: int
    problems: tuple[Problem, ...]

    @property
    def mistakes(self) -> int:
        """How many mistakes it has."""
        return sum(problem.severity == "error" for problem in self.problems)


def check(file: Path, *, environment: str | None, runner: str | None = None) -> Checked:
    """Read a file and return what is wrong with it, in every environment unless one is named.

    An environment's file is read with the pipeline that it changes.

    Args:
        file: The pipeline's file, or an environment's.
        environment: The environment; ``None`` for each.
        runner: ``[ml] runner`` of an Airflow, to check the pipeline against.
    """
    base = base_of(file)
    if base is not None and not base.is_file():
        message = f"a dot in the name says that the file changes {base} for an environment, and that is not there"
        return Checked(str(file), "", 0, (Problem(str(file), 0, 0, "", message),))
    if base is not None:
        return _checked(file, base, [file.stem.partition(".")[2]], runner=runner)
    try:
        names: list[str | None] = [None, *known_environments(file)] if environment is None else [environment]
    except SpecError as error:
        return Checked(str(file), "", 0, error.problems)
    return _checked(file, file, names, runner=runner)


def _checked(file: Path, pipeline: Path, environments: Sequence[str | None], *, runner: str | None) -> Checked:
    problems: dict[Problem, None] = {}
    spec = None
    for environment in environments:
        try:
            loaded = load(pipeline, environment=environment)
        except SpecError as error:
            problems.update(dict.fromkeys(error.problems))
        else:
            spec = spec or loaded.spec
            problems.update(dict.fromkeys(loaded.warnings))
            problems.update(dict.fromkeys(_seen_by_pods(loaded, runner=runner)))
    if spec is None or any(problem.severity == "error" for problem in problems):
        return Checked(str(file), "", 0, tuple(sorted(problems)))
    return Checked(str(file), spec.pipeline, len(spec.stages), tuple(sorted(problems)))


def runner_of_airflow() -> str:
    """Return ``[ml] runner`` of the Airflow that is configured here.

    Raises:
        typer.Exit: It is none of the runners.
    """
    # Airflow is imported for this alone.
    from airflow_ml_provider.configuration import ml_settings
    from airflow_ml_provider.errors import StageConfigurationError

    try:
        return ml_settings().runner
    except StageConfigurationError as error:
        fail(str(error))


def _seen_by_pods(loaded: LoadedPipeline, *, runner: str | None) -> Iterator[Problem]:
    """Warn of files of this machine that an ingest stage would look for in its pod."""
    spec = loaded.spec
    for name, stage in spec.stages.items():
        uri = stage.source_uri()
        in_pod = runner is not None and (stage.runner or spec.runner or runner) == "kubernetes"
        mounts = any(pod is not None and (pod.volumes or pod.template) for pod in (spec.pod, stage.pod))
        if not in_pod or not uri or mounts or "://" in uri.removeprefix("file://") or uri.startswith("{{"):
            continue
        message = (
            f"{uri} is a path of this machine, and with runner kubernetes the stage's pod looks on its own disk: use a "
            f"URI such as s3://bucket/folder, or mount the folder with pod: volumes"
        )
        yield loaded.document.problem(("stages", name, "uri"), message, severity="warning")


def with_names_taken_once(checked: Sequence[Checked]) -> list[Checked]:
    """Return the files, with a problem for each that stands for the pipeline of an earlier one of the same folder."""
    first: dict[tuple[Path, str], str] = {}
    found = []
    for file in checked:
        path = Path(file.file)
        folder = path.parent.parent if path.stem == PIPELINE_STEM else path.parent
        other = first.setdefault((folder.absolute(), dag_id_of(path)), file.file)
        if other != file.file:
            message = f"{other} stands for the pipeline {dag_id_of(path)!r} too; rename one"
            file = replace(file, problems=(*file.problems, Problem(file.file, 0, 0, "", message)))  # noqa: PLW2901
        found.append(file)
    return found


def report(checked: Sequence[Checked], *, style: Format) -> None:
    """Print what was found: data to stdout, mistakes for people to stderr."""
    if style is Format.JSON:
        files = [
            {**asdict(file), "problems": [found._asdict() for found in file.problems], "mistakes": file.mistakes}
            for file in checked
        ]
        typer.echo(json.dumps({"mistakes": sum(file.mistakes for file in checked), "files": files}, indent=2))
    elif style is Format.SARIF:
        typer.echo(json.dumps(_sarif(checked), indent=2))
    elif style is Format.GITHUB:
        for problem in _problems(checked):
            typer.echo(_annotation(problem))
    else:
        _text(checked)


def _problems(checked: Sequence[Checked]) -> Iterator[Problem]:
    for file in checked:
        yield from file.problems


def _text(checked: Sequence[Checked]) -> None:
    for file in checked:
        for problem in file.problems:
            typer.echo(str(problem), err=True)
        if not file.mistakes:
            warnings = f", {_many(len(file.problems), 'warning')}" if file.problems else ""
            typer.echo(f"{file.file}: {file.pipeline}, {_many(file.stages, 'stage')}, no mistakes{warnings}")
    count = sum(file.mistakes for file in checked)
    if count:
        broken = sum(file.mistakes > 0 for file in checked)
        typer.echo(f"{_many(count, 'mistake')} in {broken} of {_many(len(checked), 'file')}", err=True)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _annotation(problem: Problem) -> str:
    """Return a line for GitHub Actions: https://docs.github.com/actions/reference/workflow-commands-for-github-actions."""

    def escaped(text: str, more: str = "") -> str:
        for character in "%\r\n" + more:
            text = text.replace(character, f"%{ord(character):02X}")
        return text

    where = f"file={escaped(problem.file, ':,')},line={max(1, problem.line)},col={max(1, problem.column)}"
    return f"::{problem.severity} {where}::{escaped(_message(problem))}"


def _message(problem: Problem) -> str:
    return f"{problem.path}: {problem.message}" if problem.path else problem.message


def _sarif(checked: Sequence[Checked]) -> dict[str, Any]:
    """Return SARIF 2.1.0: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html."""
    results = [
        {
            "ruleId": "pipeline",
            "level": problem.severity,
            "message": {"text": _message(problem)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": Path(problem.file).as_posix()},
                        "region": {"startLine": max(1, problem.line), "startColumn": max(1, problem.column)},
                    }
                }
            ],
        }
        for problem in _problems(checked)
    ]
    driver = {"name": "airflow-ml", "version": __version__, "rules": [{"id": "pipeline"}]}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
