"""Operators, one a stage kind."""

from airflow_ml_provider.operators.commit import CommitOperator
from airflow_ml_provider.operators.container import ContainerOperator
from airflow_ml_provider.operators.evaluate import EvaluateOperator
from airflow_ml_provider.operators.feature_engineering import FeatureEngineeringOperator
from airflow_ml_provider.operators.finish import FinishOperator
from airflow_ml_provider.operators.ingest import IngestOperator
from airflow_ml_provider.operators.reap import ReapOperator
from airflow_ml_provider.operators.register import RegisterOperator
from airflow_ml_provider.operators.source import SourceOperator
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.operators.train import TrainOperator
from airflow_ml_provider.operators.validate import ValidateOperator

__all__ = [
    "CommitOperator",
    "ContainerOperator",
    "EvaluateOperator",
    "FeatureEngineeringOperator",
    "FinishOperator",
    "IngestOperator",
    "ReapOperator",
    "RegisterOperator",
    "SourceOperator",
    "StageOperator",
    "TrainOperator",
    "ValidateOperator",
]
