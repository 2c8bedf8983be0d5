"""Between a serve stage and its servers."""

SERVER = "server"
"""The step (``AIRFLOW_ML_STEP``) of a process that answers requests."""

ENDPOINT_VARIABLE = "AIRFLOW_ML_ENDPOINT"
"""Tells a server the endpoint that it serves."""

PORT = 8080
"""Where a server in a pod listens."""
