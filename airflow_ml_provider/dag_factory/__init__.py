"""From pipeline specs to DAGs."""

from airflow_ml_provider.dag_factory.build import build
from airflow_ml_provider.dag_factory.folder import load_dags
from airflow_ml_provider.dag_factory.single_file import load_file

__all__ = ["build", "load_dags", "load_file"]
