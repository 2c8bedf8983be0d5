"""The kinds of stages that there are: the built-in ones, and those that other packages bring."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from airflow_ml_provider.spec import stages
from airflow_ml_provider.spec.checked import Checked
from airflow_ml_provider.spec.checks.problems import did_you_mean
from airflow_ml_provider.spec.stages import StageSpec

MODELS_GROUP = "airflow_ml_provider.stage_models"
"""Entry points by which a package brings a kind: ``kind = "package.module:Model"``, a subclass of StageSpec."""

BUILT_IN: Mapping[str, str] = {
    "ingest": "IngestSpec",
    "validate": "ValidateSpec",
    "feature_engineering": "FeatureEngineeringSpec",
    "train": "TrainSpec",
    "tune": "TuneSpec",
    "evaluate": "EvaluateSpec",
    "register": "RegisterSpec",
    "approve": "ApproveSpec",
    "serve": "ServeSpec",
    "batch_predict": "BatchPredictSpec",
    "monitor": "MonitorSpec",
    "container": "ContainerSpec",
}
"""The model of each built-in kind, by its name in ``spec.stages``."""


class KindError(ValueError):
    """A kind does not exist, or its package does not bring it properly. A retry does not help."""


def kind_names() -> list[str]:
    """Return the names of all kinds, built-in ones first."""
    return [*BUILT_IN, *sorted(installed())]


def stage_model(kind: object) -> type[StageSpec]:
    """Return the model of a kind; other packages are looked at only for a kind that is not built in.

    Raises:
        KindError: There is no such kind, or the package that brings it is broken.
    """
    if isinstance(kind, str):
        if kind in BUILT_IN:
            return _built_in(kind)
        found = installed().get(kind)
        if found is not None:
            return _load(found)
    names = kind_names()
    hint = did_you_mean(kind, names) if isinstance(kind, str) else ""
    raise KindError(f"unknown kind {kind!r}; known are {', '.join(names)}{hint}")


def stage_models() -> dict[str, type[StageSpec]]:
    """Return the models of all kinds.

    Raises:
        KindError: A package that brings a kind is broken.
    """
    return {**built_in_models(), **{name: _load(found) for name, found in sorted(installed().items())}}


def built_in_models() -> dict[str, type[StageSpec]]:
    """Return the models of the built-in kinds."""
    return {kind: _built_in(kind) for kind in BUILT_IN}


def installed() -> dict[str, EntryPoint]:
    """Return the kinds that other packages bring; a built-in kind cannot be replaced."""
    return {found.name: found for found in entry_points(group=MODELS_GROUP) if found.name not in BUILT_IN}


def _built_in(kind: str) -> type[StageSpec]:
    found: type[StageSpec] = getattr(stages, BUILT_IN[kind])
    return found


def _load(found: EntryPoint) -> type[StageSpec]:
    whose = f"kind {found.name!r} of package {found.dist.name if found.dist else '?'} ({found.value})"
    try:
        model = found.load()
    except Exception as error:  # a module of another package may raise anything
        raise KindError(f"{whose} cannot be loaded: {error}; update or remove the package") from error
    if not (isinstance(model, type) and issubclass(model, StageSpec)):
        raise KindError(f"{whose} is no subclass of airflow_ml_provider.spec.stages.StageSpec")
    annotation = model.model_fields["kind"].annotation
    if get_origin(annotation) is not Literal or found.name not in get_args(annotation):
        raise KindError(f"{whose} lacks the field 'kind: Literal[{found.name!r}]'")
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
    """Return the model whose key ends a key path, ``None`` where it is no model's key.

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


# One validator a kind, built when a pipeline first uses it: a union of all would be built at every parse.
AnyStage = Annotated[StageSpec, Checked(_stage, {"x-definition": "Stage"})]
