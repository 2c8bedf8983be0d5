"""A real Airflow with a user who may trigger and look, and no more."""

import shutil
from pathlib import Path

import pytest

from airflow_ml_provider.testing.airflow_server import AirflowServer

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Airflow with the pipelines of ``dags/``."""
    folder = tmp_path_factory.mktemp("dags")
    shutil.copytree(HERE / "dags", folder, dirs_exist_ok=True)
    environment = {
        "AIRFLOW__ML__STORE": f"file://{tmp_path_factory.mktemp('store')}",
        "AIRFLOW_CONN_SECRET": "http://user:connection-password@host",
        "STRIPE_KEY": "worker-key",
        "MLFLOW_TRACKING_PASSWORD": "mlflow-password",
    }
    found = AirflowServer(
        home=tmp_path_factory.mktemp("airflow"),
        dags_folder=folder,
        environment=environment,
        users={"trigger": "user", "viewer": "viewer"},
    )
    with found:
        yield found


@pytest.fixture(scope="session")
def trigger(server):
    """The API as somebody sees it who may trigger runs, and no more."""
    return server.api("trigger")
