"""``airflow-ml import``: pipelines of other tools."""
