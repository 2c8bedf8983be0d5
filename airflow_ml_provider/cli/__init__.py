"""The command line ``airflow-ml``."""
