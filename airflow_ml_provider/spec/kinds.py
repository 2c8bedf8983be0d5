"""The kinds of stages that there are: the built-in ones, and those that other packages bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from airflow_ml_provider.kind_registry import BUILT_IN, Kind, KindError, find_kind, installed, load_part
from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.problems import did_you_mean
from airflow_ml_provider.spec.stages import StageSpec


def kind_names() -> list[str]:
    """Return the names of all kinds, built-in ones first."""
    return [*BUILT_IN, *sorted(installed())]


def stage_model(kind: object) -> type[StageSpec]:
    """Return the model of a kind; other packages are looked at only for a kind that is not built in.

    Raises:
        KindError: There is no such kind, or the package that brings it is broken.
    """
    found = find_kind(kind) if isinstance(kind, str) else None
    if found is not None:
        return _model(str(kind), found)
    names = kind_names()
    hint = did_you_mean(kind, names) if isinstance(kind, str) else ""
    raise KindError(f"unknown kind {kind!r}; known are {', '.join(names)}{hint}")


def stage_models() -> dict[str, type[StageSpec]]:
    """Return the models of all kinds.

    Raises:
        KindError: A package that brings a kind is broken.
    """
    return {name: stage_model(name) for name in kind_names()}


def built_in_models() -> dict[str, type[StageSpec]]:
    """Return the models of the built-in kinds."""
    return {name: _model(name, kind) for name, kind in BUILT_IN.items()}


def _model(name: str, kind: Kind) -> type[StageSpec]:
    model: type[StageSpec] = load_part(name, kind.model, base=StageSpec)
    annotation = model.model_fields["kind"].annotation
    if get_origin(annotation) is not Literal or name not in get_args(annotation):
        raise KindError(f"kind {name!r}: {kind.model} lacks the field 'kind: Literal[{name!r}]'")
    return model


def _stage(value: Any) -> Any:
    if isinstance(value, StageSpec):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("a stage is a mapping with the key kind")  # pydantic takes no TypeError
    if "kind" not in value:
        raise ValueError(f"key 'kind' is missing; known kinds are {', '.join(kind_names())}")
    try:
        model = stage_model(value["kind"])
    except KindError as error:
        problem = PydanticCustomError("kind", "{message}", {"message": str(error)})
        details = InitErrorDetails(type=problem, loc=("kind",), input=value["kind"])
        raise ValidationError.from_exception_data("stage", [details]) from error
    return model.model_validate(value)


def model_at(path: tuple[str | int, ...], *, root: type[BaseModel], value: Any) -> type[BaseModel] | None:
    """Return the model whose key ends a key path, ``None`` where it is not a model's key.

    Args:
        path: From the pipeline to the key.
        root: The pipeline's model.
        value: The pipeline as plain values, to see the kinds of its stages.
    """
    if len(path) > 2 and path[0] == "stages":
        try:
            root = stage_model(value["stages"][path[1]]["kind"])
        except KindError:
            return None
        path = path[2:]
    for part in path[:-1]:
        field = root.model_fields.get(str(part))
        inner = None if field is None else _model_of((field.annotation, *field.metadata))
        if inner is not None:
            root = inner
        elif field is not None:
            return None
    return root


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, Checked):
        return annotation.model() if annotation.model else None
    parts = annotation if isinstance(annotation, tuple) else get_args(annotation)
    return next((found for part in parts if (found := _model_of(part)) is not None), None)


# One validator per kind, built when a pipeline first uses it: a union of all would be built at every parse.
AnyStage = Annotated[StageSpec, Checked(_stage, {"x-definition": "Stage"})]
