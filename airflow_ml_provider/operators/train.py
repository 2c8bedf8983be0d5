"""Features to a model."""

from __future__ import annotations

from typing import ClassVar

from airflow_ml_provider.kinds.plain import TrainStage
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators.stage import StageOperator


class TrainOperator(StageOperator):
    """Runs the code that trains a model; its output is ``model`` unless ``outputs`` says otherwise."""

    stage_class: ClassVar[type[Stage]] = TrainStage
