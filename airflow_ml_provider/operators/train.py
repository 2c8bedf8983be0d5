"""Features to a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_ml_provider.operators.stage import StageOperator


class TrainOperator(StageOperator):
    """Runs the code that trains a model; its output is ``model`` unless ``outputs`` says otherwise."""

    kind: ClassVar[str] = "train"

    def __init__(self, *, outputs: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(outputs={"model": "model"} if outputs is None else outputs, **kwargs)
