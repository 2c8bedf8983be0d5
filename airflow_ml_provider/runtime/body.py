"""Between a stage and its body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.request import StageRequest


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
