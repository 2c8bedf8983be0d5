"""The connection of type ``mlflow``."""

from __future__ import annotations

from airflow.sdk import BaseHook

from airflow_ml_provider.errors import MlflowAuthorizationError, MlflowError
from airflow_ml_provider.mlflow_api.client import MlflowClient
from airflow_ml_provider.mlflow_api.server import MlflowServer

__all__ = ["MlflowHook"]


class MlflowHook(BaseHook):
    """Finds the tracking server and model registry of an Airflow connection of type ``mlflow``.

    Args:
        mlflow_conn_id: The connection. Host (with or without scheme), port, and either login and password or a
            token in the extra field ``token``; ``tls_verify`` and ``ca_bundle`` in the extra.
    """

    conn_name_attr = "mlflow_conn_id"
    default_conn_name = "mlflow_default"
    conn_type = "mlflow"
    hook_name = "MLflow"

    def __init__(self, mlflow_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.mlflow_conn_id = mlflow_conn_id

    def server(self) -> MlflowServer:
        """Return where the server is.

        Raises:
            MlflowError: The connection has no host, or credentials in it.
        """
        found = self.get_connection(self.mlflow_conn_id)
        return MlflowServer.of_connection(self.mlflow_conn_id, found)

    def get_conn(self) -> MlflowClient:
        """Return a client of the server.

        Raises:
            MlflowError: The connection has no host, or credentials in it.
        """
        return MlflowClient(self.server())

    def test_connection(self) -> tuple[bool, str]:
        """Say for Airflow's connection page whether the server answers."""
        try:
            client = self.get_conn()
            client.call("POST", "experiments/search", json={"max_results": 1})
        except (MlflowError, MlflowAuthorizationError) as error:
            return False, str(error)
        return True, f"MLflow answers at {client.uri}"
