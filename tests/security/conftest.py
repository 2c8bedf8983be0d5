"""A real Airflow with a user who may trigger and look, and no more; with each auth manager."""

import json
import shutil
from pathlib import Path

import pytest

from airflow_ml_provider.testing.airflow_server import AirflowServer
from tests.live.fab_airflow import FabAirflow

HERE = Path(__file__).parent


READ_ONE = [("can_read", "DAG:bounded"), ("can_read", "DAG Code"), ("can_read", "Plugins")]

READ_RUNS = [("can_read", "DAG Runs"), ("can_read", "Task Instances"), ("can_read", "HITL Detail")]


@pytest.fixture(scope="session")
def arguments(tmp_path_factory, mlflow_server):
    """The pipelines of ``dags/``, and a worker with secrets."""
    folder = tmp_path_factory.mktemp("dags")
    shutil.copytree(HERE / "dags", folder, dirs_exist_ok=True)
    environment = {
        "AIRFLOW__ML__STORE": f"file://{tmp_path_factory.mktemp('store')}",
        "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps({"conn_type": "mlflow", "host": mlflow_server.uri}),
        "AIRFLOW_CONN_SECRET": "http://user:connection-password@host",
        "STRIPE_KEY": "worker-key",
        "MLFLOW_TRACKING_PASSWORD": "mlflow-password",
    }
    return {"home": tmp_path_factory.mktemp("airflow"), "dags_folder": folder, "environment": environment}


@pytest.fixture(scope="session")
def simple(arguments):
    """Airflow with the simple auth manager."""
    users = {"trigger": "user", "viewer": "viewer", "user": "user"}
    server = AirflowServer(**at(arguments, "simple", approver="trigger"), users=users)
    with server:
        yield server


@pytest.fixture(scope="session")
def fab(arguments):
    """Airflow with the FAB auth manager; of its roles User is the least that may trigger."""
    users = {"trigger": "User", "viewer": "Viewer", "user": "User", "op": "Op", "one": "One", "nobody": "Public"}
    users["reader"] = "Reader"
    rights = {"One": READ_ONE, "Reader": [*READ_ONE, *READ_RUNS], "Viewer": [("can_read", "Plugins")]}
    with FabAirflow(**at(arguments, "fab", approver="1"), users=users, rights=rights) as server:
        yield server


def at(arguments, name, *, approver):
    environment = {**arguments["environment"], "APPROVER": approver, "ASKED": f"asked_{name}"}
    return {**arguments, "home": arguments["home"] / name, "environment": environment}


@pytest.fixture(scope="session", params=["simple", "fab"])
def server(request):
    """Airflow with each auth manager."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def trigger(server):
    """The API as somebody sees it who may trigger runs, and no more."""
    return server.api("trigger")
