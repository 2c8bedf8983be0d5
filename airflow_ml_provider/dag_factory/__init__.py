"""From pipeline specs to DAGs."""

from airflow_ml_provider.dag_factory.build import build
from airflow_ml_provider.dag_factory.folder import load_dags

__all__ = ["build", "load_dags"]
