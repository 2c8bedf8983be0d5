"""Between a serve stage and its servers."""

SERVER = "server"
"""The step (``AIRFLOW_ML_STEP``) of a process that answers requests."""

PORT = 8080
"""Where a server in a pod listens."""
