"""A real Airflow with all its components, once a session, on the examples and on the cases in dags/."""

import http.server
import json
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from airflow_ml_provider.testing.airflow_api import AirflowApi
from airflow_ml_provider.testing.airflow_server import AirflowServer
from airflow_ml_provider.testing.server_process import free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)


class Mlflow:
    """What tests ask a live MLflow, through its REST API."""

    def __init__(self, uri):
        self.uri = uri

    def call(self, method, path, **options):
        response = httpx.request(method, f"{self.uri}/api/2.0/mlflow/{path}", timeout=30, **options)
        response.raise_for_status()
        return response.json()

    def runs(self, pipeline, dag_run):
        """Return the runs of one DagRun by role, then by name."""
        found = self.call("GET", "experiments/get-by-name", params={"experiment_name": pipeline})["experiment"]
        body = {
            "experiment_ids": [found["experiment_id"]],
            "filter": f"tags.`airflow_ml.dag_run` = '{dag_run}'",
            "max_results": 1000,
        }
        runs = {"pipeline": {}, "stage": {}, "attempt": {}}
        for run in self.call("POST", "runs/search", json=body).get("runs", []):
            tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
            named = runs[tags["airflow_ml.role"]]
            assert run["info"]["run_name"] not in named, "a run is there twice"
            named[run["info"]["run_name"]] = Run(
                id=run["info"]["run_id"],
                status=run["info"]["status"],
                tags=tags,
                params={entry["key"]: entry["value"] for entry in run["data"].get("params", [])},
                metrics={entry["key"]: entry["value"] for entry in run["data"].get("metrics", [])},
            )
        return runs

    def history(self, run_id, metric):
        """Return every value that was logged of a metric as (step, value)."""
        entries = self.call("GET", "metrics/get-history", params={"run_id": run_id, "metric_key": metric})["metrics"]
        return sorted((entry.get("step", 0), entry["value"]) for entry in entries)

    def versions(self, name):
        """Return the versions of a registered model."""
        answer = self.call("GET", "model-versions/search", params={"filter": f"name='{name}'"})
        return answer.get("model_versions", [])

    def aliases(self, name):
        """Return the version of each alias of a registered model."""
        model = self.call("GET", "registered-models/get", params={"name": name})["registered_model"]
        return {entry["alias"]: str(entry["version"]) for entry in model.get("aliases", [])}


@dataclass(frozen=True)
class Run:
    id: str
    status: str
    tags: dict
    params: dict
    metrics: dict


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


@dataclass(frozen=True)
class Airflow:
    api: AirflowApi
    store: Path
    server: AirflowServer

    def run(self, dag_id, *, seconds=300, **conf):
        """Trigger a DAG, wait for its end, return the run's id, its state and its tasks' states."""
        self.api.wait_for_dag(dag_id)
        run_id = self.api.trigger(dag_id, conf=conf)
        state = self.api.wait_for_run(dag_id, run_id, seconds=seconds)
        return run_id, state, {name: task["state"] for name, task in self.api.tasks(dag_id, run_id).items()}


@pytest.fixture(scope="session")
def airflow_environment(mlflow_server, denying_server, tmp_path_factory):
    connections = {
        "default": mlflow_server.uri,
        "denied": denying_server,
        "unreachable": f"http://127.0.0.1:{free_port()}",
    }
    return {
        "AIRFLOW__ML__STORE": f"file://{tmp_path_factory.mktemp('store')}",
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
