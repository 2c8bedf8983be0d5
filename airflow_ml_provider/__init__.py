"""Machine-learning pipelines native in Apache Airflow."""

__version__ = "0.1.0"
