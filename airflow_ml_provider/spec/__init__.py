"""The pipeline as data: models, YAML with source positions, checks; no Airflow."""
