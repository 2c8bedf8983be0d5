"""Stage bodies; each imports its own library when it runs."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path

from airflow_ml_provider.artifacts.code_unpacking import unpack_code
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.names import BODIES
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.errors import ContractError
from airflow_ml_provider.runtime.function import load_function
from airflow_ml_provider.runtime.patience import patiently


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
