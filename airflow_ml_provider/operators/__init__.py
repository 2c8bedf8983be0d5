"""Operators, one per stage kind, and those that begin, end and clean up a run."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_ml_provider.operators.approve import ApproveOperator
    from airflow_ml_provider.operators.batch_predict import BatchPredictOperator
    from airflow_ml_provider.operators.commit import CommitOperator
    from airflow_ml_provider.operators.container import ContainerOperator
    from airflow_ml_provider.operators.evaluate import EvaluateOperator
    from airflow_ml_provider.operators.feature_engineering import FeatureEngineeringOperator
    from airflow_ml_provider.operators.finish import FinishOperator
    from airflow_ml_provider.operators.ingest import IngestOperator
    from airflow_ml_provider.operators.monitor import MonitorOperator, drift_asset
    from airflow_ml_provider.operators.reap import ReapOperator
    from airflow_ml_provider.operators.register import RegisterOperator
    from airflow_ml_provider.operators.serve import ServeOperator
    from airflow_ml_provider.operators.source import SourceOperator
    from airflow_ml_provider.operators.stage import StageOperator
    from airflow_ml_provider.operators.train import TrainOperator
    from airflow_ml_provider.operators.tune import TuneOperator
    from airflow_ml_provider.operators.validate import ValidateOperator

__all__ = [
    "ApproveOperator",
    "BatchPredictOperator",
    "CommitOperator",
    "ContainerOperator",
    "EvaluateOperator",
    "FeatureEngineeringOperator",
    "FinishOperator",
    "IngestOperator",
    "MonitorOperator",
    "ReapOperator",
    "RegisterOperator",
    "ServeOperator",
    "SourceOperator",
    "StageOperator",
    "TrainOperator",
    "TuneOperator",
    "ValidateOperator",
    "drift_asset",
]

_MODULES = {
    "ApproveOperator": "approve",
    "BatchPredictOperator": "batch_predict",
    "CommitOperator": "commit",
    "ContainerOperator": "container",
    "EvaluateOperator": "evaluate",
    "FeatureEngineeringOperator": "feature_engineering",
    "FinishOperator": "finish",
    "IngestOperator": "ingest",
    "MonitorOperator": "monitor",
    "ReapOperator": "reap",
    "RegisterOperator": "register",
    "ServeOperator": "serve",
    "SourceOperator": "source",
    "StageOperator": "stage",
    "TrainOperator": "train",
    "TuneOperator": "tune",
    "ValidateOperator": "validate",
    "drift_asset": "monitor",
}


def __getattr__(name: str) -> Any:
    # A pipeline's parse loads the operators that it has.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
