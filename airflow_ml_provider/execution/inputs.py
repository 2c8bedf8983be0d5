"""From what a DAG's author wrote to what the stage is handed: artifacts, code, files next to the DAG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_ml_provider.artifacts.errors import StoreError, StoreUnavailableError
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.names import require_name


def resolve_inputs(inputs: Mapping[str, Any], store: ArtifactStore) -> dict[str, ArtifactRef]:
    """Return a reference for every input: an upstream's XCom, or the URI of a committed artifact.

    Raises:
        StageConfigurationError: An input is neither, or its URI holds no committed artifact.
        StoreUnavailableError: The store did not answer.
    """
    return {name: _resolve(require_name(name, of="input"), value, store) for name, value in inputs.items()}


def _resolve(name: str, value: Any, store: ArtifactStore) -> ArtifactRef:
    try:
        if isinstance(value, str) and "://" in value:
            return store.find(value)
        if isinstance(value, Mapping):
            return ArtifactRef.from_plain(dict(value))
    except StoreUnavailableError:
        raise
    except (ProtocolError, StoreError) as error:
        raise StageConfigurationError(f"input {name!r}: {error}") from error
    shown = repr(value)
    raise StageConfigurationError(
        f"input {name!r} is {shown if len(shown) < 80 else shown[:77] + '...'} ({type(value).__name__}); pass an "
        f"output of another stage (train.output['model']) or the URI of a committed artifact"
    )
