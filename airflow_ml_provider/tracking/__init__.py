"""The MLflow runs of stages."""
