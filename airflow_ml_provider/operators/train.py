"""Features to a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from airflow_ml_provider.operators.stage import StageOperator


class TrainOperator(StageOperator):
    """Runs the code that trains a model; its output is ``model`` unless ``outputs`` says otherwise."""

    kind: ClassVar[str] = "train"
    default_outputs: ClassVar[Mapping[str, str]] = {"model": "model"}
