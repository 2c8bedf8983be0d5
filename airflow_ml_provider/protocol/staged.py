"""A staged stage: one container fetches its inputs, the next does its work, the last commits its outputs.

The one in the middle may be any image: all that it needs is files and environment variables.
"""

IO_ANNOTATION = "airflow-ml/io"
"""On the stage's pod; its value is ``staged``."""

FETCH = "fetch"
MAIN = "main"
COMMIT = "commit"

STEP_VARIABLE = "AIRFLOW_ML_STEP"
"""Says which of the three a container is."""

ROOT_VARIABLE = "AIRFLOW_ML_ROOT"
"""Names the folder of what they share."""

ROOT = "/airflow-ml"
WORK = "work"
"""Inputs, outputs, code and result, below the root."""
RUNTIME = "runtime"
"""The runtime and the request, for those that need them."""
CODE = "folder"
"""The code of a command, below the work folder: its working directory."""
