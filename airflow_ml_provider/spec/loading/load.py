"""From a YAML file to a checked pipeline, or to all its mistakes at once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from airflow_ml_provider.spec.checks.consistency import check_pipeline
from airflow_ml_provider.spec.checks.shape import shape_problems
from airflow_ml_provider.spec.checks.template_checks import check_templates
from airflow_ml_provider.spec.documents.document import Document
from airflow_ml_provider.spec.documents.resolve import ENVIRONMENTS, resolve
from airflow_ml_provider.spec.documents.yaml_source import read_yaml
from airflow_ml_provider.spec.loading.discovery import SUFFIXES, overlay_of, pipeline_name
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.problems import Problem, SpecError

_ENVIRONMENT = re.compile(r"[A-Za-z0-9_\-]{1,100}")


def known_environments(path: Path) -> list[str]:
    """Return the environments that a pipeline's file or the files next to it describe.

    Raises:
        SpecError: The file cannot be read.
    """
    value = read_yaml(path).value
    described = value.get(ENVIRONMENTS) if isinstance(value, dict) else None
    adjacent = (
        file.stem.partition(".")[2] for suffix in SUFFIXES for file in path.parent.glob(f"{path.stem}.*{suffix}")
    )
    return sorted({*(map(str, described) if isinstance(described, dict) else ()), *filter(None, adjacent)})


@dataclass(frozen=True)
class LoadedPipeline:
    """A pipeline and what it was read from.

    Attributes:
        spec: The pipeline.
        document: Its values, each with its place; the environment's changes, defaults and variables are in it.
        warnings: What is allowed but hardly meant.
    """

    spec: PipelineSpec
    document: Document
    warnings: tuple[Problem, ...] = ()


def load_pipeline(
    path: Path, *, environment: str | None = None, variables: Mapping[str, str] | None = None
) -> PipelineSpec:
    """Read and check a pipeline file.

    Args:
        path: The file.
        environment: Whose changes to take, such as ``prod``.
        variables: What ``${env:NAME}`` stands for; default is the process's environment.

    Raises:
        SpecError: The file has mistakes; the error holds all that could be found, with line and column.
    """
    return load(path, environment=environment, variables=variables).spec


def load(
    path: Path,
    *,
    environment: str | None = None,
    variables: Mapping[str, str] | None = None,
    patch: Mapping[str, Any] | None = None,
) -> LoadedPipeline:
    """Read and check a pipeline file; returns also where each value was written.

    Args:
        path: The file.
        environment: Whose changes to take, such as ``prod``.
        variables: What ``${env:NAME}`` stands for; default is the process's environment.
        patch: What the caller changes for this once, a JSON Merge Patch.

    Raises:
        SpecError: As :func:`load_pipeline`.
    """
    source = read_yaml(path)
    if source.value is None:
        raise SpecError([source.problem((), "the file is empty; 'airflow-ml init' writes a pipeline to begin with")])
    if not isinstance(source.value, dict):
        raise SpecError([source.problem((), "a pipeline is a mapping with the keys pipeline and stages")])
    if environment and not _ENVIRONMENT.fullmatch(environment):
        message = f"{environment!r} is not an environment's name: use letters, digits, '_' and '-', 100 at most"
        raise SpecError([Problem(str(path), 0, 0, "", message)])
    overlay = overlay_of(path, environment) if environment else None
    document = resolve(
        source,
        environment=environment,
        overlay=None if overlay is None else read_yaml(overlay),
        variables=os.environ if variables is None else variables,
        patch=patch or {},
    )
    spec, problems, unread = _shaped(document)
    problems += [
        document.problem(finding.path, finding.message, severity=finding.severity)
        for finding in (
            *check_pipeline(spec, folder=path.parent, unread=unread),
            *check_templates(document.value, spec),
        )
    ]
    if spec.pipeline != pipeline_name(path):
        message = f"the pipeline is called {spec.pipeline!r}, its file stands for {pipeline_name(path)!r}; rename one"
        problems.append(document.problem(("pipeline",), message))
    if any(problem.severity == "error" for problem in problems):
        raise SpecError(problems)
    return LoadedPipeline(spec, document, tuple(sorted(problems)))


def _shaped(document: Document) -> tuple[PipelineSpec, list[Problem], frozenset[str]]:
    """Return the pipeline; without the stages that have no shape, when all else has, so that all can be checked."""
    try:
        return PipelineSpec.model_validate(document.value), [], frozenset()
    except ValidationError as error:
        problems = shape_problems(document, error)
        paths = [details["loc"] for details in error.errors(include_url=False, include_context=False)]
    broken = frozenset(str(path[1]) for path in paths if len(path) > 1 and path[0] == "stages")
    stages = document.value.get("stages")
    sound = {name: stage for name, stage in stages.items() if name not in broken} if isinstance(stages, dict) else {}
    if not sound or any(path[0] != "stages" for path in paths):
        raise SpecError(problems)
    try:
        return PipelineSpec.model_validate({**document.value, "stages": sound}), problems, broken
    except ValidationError as error:
        raise SpecError([*problems, *shape_problems(document, error)]) from error
