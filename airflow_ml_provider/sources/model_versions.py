"""Versions of a registered model as objects of a source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from airflow_ml_provider.artifacts.ledger import Ledger
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.mlflow_api.registry import ModelRegistry
from airflow_ml_provider.protocol.manifest import SourceObject
from airflow_ml_provider.sources.origins import ModelVersions

_DESCRIBED = ("name", "version", "run_id", "source", "description", "creation_timestamp")


def list_model_versions(origin: ModelVersions, ledger: Ledger, *, now: float) -> Iterator[SourceObject]:
    """Return each version, or the one that the alias names now; none while the model or alias is not there.

    MLflow keeps no time of an alias's change, and an alias may come back to a version that it had: the change is
    counted from what was handed out last.

    Args:
        origin: The model.
        ledger: What was handed out.
        now: In seconds since the epoch.

    Raises:
        MlflowError: MLflow did not answer, or refused.
    """
    registry = ModelRegistry(MlflowHook(origin.conn_id).get_conn())
    if origin.alias is None:
        for found in registry.versions(origin.model):
            changed = found["creation_timestamp"] / 1000
            # A model that was deleted and registered anew begins at version 1 again.
            version = f"{found['creation_timestamp']} {found['version']}"
            yield SourceObject(f"models:/{origin.model}/{found['version']}", version, 0, changed)
        return
    yield from ledger.returned
    current = registry.version_of_alias(origin.model, origin.alias)
    if current is None:
        return
    count, _, last = (ledger.newest.version if ledger.newest else "0 ").partition(" ")
    number = int(count) if last == current["version"] else int(count) + 1
    yield SourceObject(f"models:/{origin.model}@{origin.alias}", f"{number} {current['version']}", 0, now)


def describe_versions(origin: ModelVersions, given: Sequence[SourceObject]) -> bytes:
    """Return what MLflow says of versions, a JSON line each.

    Raises:
        MlflowError: MLflow did not answer, or a version was deleted.
    """
    registry = ModelRegistry(MlflowHook(origin.conn_id).get_conn())
    return "".join(f"{json.dumps(_described(registry, origin, found))}\n" for found in given).encode()


def _described(registry: ModelRegistry, origin: ModelVersions, found: SourceObject) -> dict[str, Any]:
    version = registry.version(origin.model, found.version.rpartition(" ")[2])
    tags = {tag["key"]: tag["value"] for tag in version.get("tags", [])}
    described = {key: version[key] for key in _DESCRIBED if key in version}
    return {**described, "alias": origin.alias, "tags": tags}
