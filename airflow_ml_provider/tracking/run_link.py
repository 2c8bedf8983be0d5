"""Where a stage notes the address of its MLflow run."""

MLFLOW_RUN_URL = "mlflow_run_url"
"""The XCom's key."""
