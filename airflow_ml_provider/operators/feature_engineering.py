"""Datasets to features."""

from __future__ import annotations

from typing import ClassVar

from airflow_ml_provider.kinds.plain import FeatureEngineeringStage
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators.stage import StageOperator


class FeatureEngineeringOperator(StageOperator):
    """Runs the code that turns datasets into features."""

    stage_class: ClassVar[type[Stage]] = FeatureEngineeringStage
