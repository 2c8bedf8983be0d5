"""Stage bodies; each imports its own library when it runs."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from airflow_ml_provider.artifacts.code import unpack_code
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.names import BODIES
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.errors import ContractError
from airflow_ml_provider.runtime.function import load_function
from airflow_ml_provider.runtime.patience import patiently


@dataclass(frozen=True)
class BodyContext:
    """What a body works with.

    Attributes:
        request: The whole request.
        inputs: Local paths of the fetched inputs.
        outputs: Local paths to write outputs to.
        store: The artifact store.
    """

    request: StageRequest
    inputs: Mapping[str, Path]
    outputs: Mapping[str, Path]
    store: ArtifactStore


@dataclass(frozen=True)
class BodyOutcome:
    """What a body found out.

    Attributes:
        metrics: Finite numbers by name.
        values: Small JSON values by name.
        passed_through: Outputs that are an input unchanged.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    passed_through: Mapping[str, ArtifactRef] = field(default_factory=dict)


def fetch_body(request: StageRequest, root: Path) -> None:
    """Bring the body along that did not travel with the runtime.

    Args:
        request: The stage.
        root: Where to unpack it; it is imported from there.

    Raises:
        StoreError: It is not there, changed, or the store does not answer.
    """
    if request.body_code is None or importlib.util.find_spec(f"{__name__}.{request.body}") is not None:
        return
    folder = root / "body"
    unpack_code(patiently(partial(ArtifactStore().fetch_content, request.body_code), what="Fetching the body"), folder)
    __path__.append(str(folder))
    importlib.invalidate_caches()


def load_body(name: str) -> Callable[[BodyContext], BodyOutcome]:
    """Return a body: the ``run`` function of a built-in one, or ``module:function`` of the code that was shipped.

    Raises:
        ContractError: There is no such body.
        UserCodeError: Its module raised while it was imported.
    """
    if ":" in name:
        return load_function(name)
    if name not in BODIES:
        raise ContractError(f"there is no built-in stage {name!r} in this version; known are {', '.join(BODIES)}")
    module = importlib.import_module(f"airflow_ml_provider.runtime.stages.{name}")
    return module.run  # type: ignore[no-any-return]
