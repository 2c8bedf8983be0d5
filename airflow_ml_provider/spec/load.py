"""From a YAML file to a checked pipeline, or to all its mistakes at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from airflow_ml_provider.spec.checks import check_pipeline
from airflow_ml_provider.spec.pipeline import PipelineSpec, TrackingSpec
from airflow_ml_provider.spec.pod import PodSpec, VolumeSpec
from airflow_ml_provider.spec.problems import Problem, SpecError, did_you_mean
from airflow_ml_provider.spec.stages import STAGE_MODELS, Resources
from airflow_ml_provider.spec.yaml_source import KeyPath, YamlSource, read_yaml

PIPELINE_FILE = "pipeline.yaml"


def pipeline_name(path: Path) -> str:
    """Return the name that a pipeline file stands for: its stem, or its folder's name for pipeline.yaml."""
    return path.resolve().parent.name if path.name == PIPELINE_FILE else path.stem


def load_pipeline(path: Path) -> PipelineSpec:
    """Read and check a pipeline file.

    Raises:
        SpecError: The file has mistakes; the error holds all that could be found, with line and column.
    """
    source = read_yaml(path)
    if not isinstance(source.value, dict):
        raise SpecError([source.problem((), "a pipeline is a mapping with the keys pipeline and stages")])
    value, problems = _with_pods(source)
    try:
        spec = PipelineSpec.model_validate(value)
    except ValidationError as error:
        raise SpecError([*problems, *_shape_problems(source, error)]) from error
    problems += [source.problem(key_path, message) for key_path, message in check_pipeline(spec, folder=path.parent)]
    if spec.pipeline != pipeline_name(path):
        message = f"the pipeline is called {spec.pipeline!r}, its file stands for {pipeline_name(path)!r}; rename one"
        problems.append(source.problem(("pipeline",), message))
    if problems:
        raise SpecError(problems)
    return spec


def _with_pods(source: YamlSource) -> tuple[dict[str, Any], list[Problem]]:
    """Check what stands under ``pod``, of the pipeline and of its stages."""
    problems: list[Problem] = []

    def checked(owner: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        if owner.get("pod") is None:
            return owner
        try:
            return {**owner, "pod": PodSpec.model_validate(owner["pod"])}
        except ValidationError as error:
            problems.extend(_shape_problems(source, error, below=(*path, "pod")))
            return {**owner, "pod": None}

    value = checked(source.value, ())
    stages = value.get("stages")
    if isinstance(stages, dict):
        found = {
            name: checked(stage, ("stages", name)) if isinstance(stage, dict) else stage
            for name, stage in stages.items()
        }
        value = {**value, "stages": found}
    return value, problems


def _shape_problems(source: YamlSource, error: ValidationError, *, below: KeyPath = ()) -> list[Problem]:
    return [
        source.problem(*_located(source.value, details, below))
        for details in error.errors(include_url=False, include_context=True)
    ]


def _located(value: Any, details: ErrorDetails, below: KeyPath) -> tuple[KeyPath, str]:
    path = (*below, *_key_path(value, details["loc"]))
    return path, _message(value, path, details)


def _key_path(value: Any, location: tuple[int | str, ...]) -> KeyPath:
    """Drop what pydantic adds to a location: the tag of the union, the name of a branch, ``[key]``."""
    path: list[int | str] = []
    for index, part in enumerate(location):
        if part == "[key]":
            break
        if len(path) == 2 and path[0] == "stages" and part in STAGE_MODELS and index == 2:
            continue
        path.append(part)
    return tuple(path)


def _message(value: Any, path: KeyPath, details: ErrorDetails) -> str:
    kind = details["type"]
    if kind == "extra_forbidden":
        known = _known_keys(value, path)
        return f"unknown key {path[-1]!r}; known are {', '.join(known)}{did_you_mean(str(path[-1]), known)}"
    if kind == "missing":
        return f"key {path[-1]!r} is missing"
    if kind == "union_tag_invalid":
        tag = str(details["ctx"]["tag"])
        return f"unknown kind {tag!r}; known are {', '.join(STAGE_MODELS)}{did_you_mean(tag, STAGE_MODELS)}"
    if kind == "union_tag_not_found":
        return f"key 'kind' is missing; known kinds are {', '.join(STAGE_MODELS)}"
    message = details["msg"].removeprefix("Value error, ")
    shown = repr(details["input"])
    if kind == "value_error" or len(shown) > 60:
        return message
    return f"{message[0].lower()}{message[1:]}, got {shown}"


def _known_keys(value: Any, path: KeyPath) -> list[str]:
    model: type[BaseModel] = PipelineSpec
    if "pod" in (path[0], path[2] if len(path) > 3 else ""):
        model = VolumeSpec if "volumes" in path else PodSpec
    elif path[0] == "stages" and len(path) > 2:
        stage = value["stages"][path[1]]
        model = Resources if path[2] == "resources" and len(path) > 3 else STAGE_MODELS[stage["kind"]]
    elif path[0] == "tracking" and len(path) > 1:
        model = TrackingSpec
    return list(model.model_fields)
