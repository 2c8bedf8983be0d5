"""Datasets to features."""

from __future__ import annotations

from typing import ClassVar

from airflow_ml_provider.operators.stage import StageOperator


class FeatureEngineeringOperator(StageOperator):
    """Runs the code that turns datasets into features."""

    kind: ClassVar[str] = "feature_engineering"
