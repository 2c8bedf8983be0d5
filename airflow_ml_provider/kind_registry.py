"""The kinds of stages that there are: the built-in ones, and those that other packages bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

__all__ = ["Kind", "KindError"]

KINDS_GROUP = "airflow_ml_provider.kinds"
"""Entry points by which a package brings a kind: ``name = "package.module:KIND"``, a :class:`Kind`."""


class KindError(ValueError):
    """A kind does not exist, or its package does not bring it properly. A retry does not help."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of stage: its parts as ``module:Class``, each loaded only where it is needed.

    Attributes:
        model: What a pipeline's file says of it, a subclass of ``spec.stages.StageSpec``.
        operator: Its operator, a subclass of ``operators.StageOperator``.
        stage: What it is after rendering, a subclass of ``kinds.stage.Stage``; empty where its operator alone knows it,
            so that it runs in Airflow only.
    """

    model: str
    operator: str
    stage: str = ""


def _built_in(name: str, *, stage: str) -> Kind:
    return Kind(
        model=f"airflow_ml_provider.spec.stages:{name}Spec",
        operator=f"airflow_ml_provider.operators:{name}Operator",
        stage=stage and f"airflow_ml_provider.{stage}:{name}Stage",
    )


BUILT_IN: Mapping[str, Kind] = {
    "ingest": _built_in("Ingest", stage="kinds.ingest"),
    "validate": _built_in("Validate", stage="kinds.validate"),
    "feature_engineering": _built_in("FeatureEngineering", stage="kinds.plain"),
    "train": _built_in("Train", stage="kinds.plain"),
    "tune": _built_in("Tune", stage="kinds.tune"),
    "evaluate": _built_in("Evaluate", stage="kinds.evaluate"),
    "register": _built_in("Register", stage="kinds.register"),
    "approve": _built_in("Approve", stage=""),
    "serve": _built_in("Serve", stage="serving.serve_stage"),
    "batch_predict": _built_in("BatchPredict", stage="kinds.batch_predict"),
    "monitor": _built_in("Monitor", stage="kinds.monitor"),
    "container": _built_in("Container", stage="kinds.plain"),
}


def installed() -> dict[str, EntryPoint]:
    """Return the kinds that other packages bring; a built-in kind cannot be replaced."""
    return {found.name: found for found in entry_points(group=KINDS_GROUP) if found.name not in BUILT_IN}


def find_kind(name: str) -> Kind | None:
    """Return a kind, ``None`` where there is none; other packages are looked at only for one that is not built in.

    Raises:
        KindError: The package that brings it is broken.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    entry = installed().get(name)
    if entry is None:
        return None
    found = _loaded(name, entry.value, entry)
    if not isinstance(found, Kind):
        raise KindError(f"{_whose(name, entry)} is not a Kind of airflow_ml_provider.kind_registry")
    return found


def load_part(name: str, path: str, *, base: type) -> type[Any]:
    """Return a part of a kind.

    Args:
        name: The kind.
        path: The part's ``module:Class``.
        base: What it is to be a subclass of.

    Raises:
        KindError: It cannot be loaded, or is something else.
    """
    found = _loaded(name, path, installed().get(name) if name not in BUILT_IN else None)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise KindError(f"kind {name!r}: {path} is not a subclass of {base.__module__}.{base.__name__}")
    return found


def _loaded(name: str, path: str, entry: EntryPoint | None) -> Any:
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:  # a module of another package may raise anything
        if entry is None:
            raise
        raise KindError(
            f"{_whose(name, entry)}: {path} cannot be loaded: {error}; update or remove the package"
        ) from error


def _whose(name: str, entry: EntryPoint) -> str:
    return f"kind {name!r} of package {entry.dist.name if entry.dist else '?'} ({entry.value})"
