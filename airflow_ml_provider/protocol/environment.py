"""Environment variables between Airflow and a stage's process."""

REQUEST_VARIABLE = "AIRFLOW_ML_REQUEST"
"""Carries the request's JSON into the stage."""

RUNTIME_VARIABLE = "AIRFLOW_ML_RUNTIME"
"""Carries the runtime's source into a pod, packed; the bootstrap unpacks it."""

TERMINATION_VARIABLE = "AIRFLOW_ML_TERMINATION_LOG"
"""Names the file whose content becomes the container's termination message."""

LIFELINE_VARIABLE = "AIRFLOW_ML_LIFELINE"
"""Names a file descriptor: the read end of a pipe whose write end only the worker holds."""
