"""A whole pipeline on this machine, by the core alone: no Airflow is imported."""
