"""The kinds that run code and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from airflow_ml_provider.kinds.stage import Stage


@dataclass(frozen=True, kw_only=True)
class ContainerStage(Stage):
    """Runs a command in any language, or a Python function."""

    kind: ClassVar[str] = "container"


@dataclass(frozen=True, kw_only=True)
class FeatureEngineeringStage(Stage):
    """Runs the code that turns datasets into features."""

    kind: ClassVar[str] = "feature_engineering"


@dataclass(frozen=True, kw_only=True)
class TrainStage(Stage):
    """Runs the code that trains a model."""

    kind: ClassVar[str] = "train"
    default_outputs: ClassVar[Mapping[str, str]] = {"model": "model"}
