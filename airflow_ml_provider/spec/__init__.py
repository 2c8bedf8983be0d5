"""The pipeline as data: models, YAML with source positions, checks; no Airflow."""

from airflow_ml_provider.spec.load import load_pipeline
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.problems import Problem, SpecError

__all__ = ["PipelineSpec", "Problem", "SpecError", "load_pipeline"]
