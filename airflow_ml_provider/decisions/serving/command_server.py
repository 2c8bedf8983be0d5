"""What a server of the user's own learns from its environment."""

from __future__ import annotations

from airflow_ml_provider.protocol.request import StageRequest


def command_server_variables(request: StageRequest, *, port: int) -> dict[str, str]:
    """Return the variables of a server of the user's own: the model, the port, where MLflow is."""
    model = request.options["model"]
    tracking = {} if request.tracking is None else {"MLFLOW_TRACKING_URI": request.tracking.uri}
    return {**tracking, "AIRFLOW_ML_MODEL_URI": f"models:/{model['name']}/{model['version']}", "PORT": str(port)}
