"""Nine secrets, looked for wherever a pipeline leaves something."""

import json
import secrets
import shutil
import threading
import uuid
from pathlib import Path

import httpx
import psutil
import pytest
from cryptography.fernet import Fernet

from airflow_ml_provider.testing.airflow_server import PASSWORD_FILE, AirflowServer
from tests.live.login_proxy import LoginProxy

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
NAMES = (
    *("MLflow password", "MLflow token", "S3 key", "connection password", "connection extra", "endpoint token"),
    *("JWT key", "API key", "variable"),
)


@pytest.fixture(scope="module")
def hidden():
    """The secrets by name."""
    return {**{name: f"hidden-{secrets.token_hex(12)}" for name in NAMES}, "Fernet key": Fernet.generate_key().decode()}


class CommandLines:
    """What the command lines of all processes say, for as long as it looks."""

    def __init__(self):
        self.seen = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self):
        while not self._over.wait(0.1):
            for process in psutil.process_iter(["cmdline"]):
                self.seen.add("\0".join(process.info["cmdline"] or ()))

    def close(self):
        self._over.set()
        self._thread.join()


@pytest.fixture(scope="module")
def pipelines(hidden, s3_endpoint, mlflow_server, tmp_path_factory):
    """An Airflow in which two pipelines ran, one to a served model, one into a failure that quotes secrets."""
    import fsspec

    folder = tmp_path_factory.mktemp("dags")
    shutil.copytree(HERE / "secret_dags", folder, dirs_exist_ok=True)
    # The model that the tests of serving serve.
    shutil.copytree(HERE.parent / "integration" / "dags" / "served" / "steps", folder / "steps", dirs_exist_ok=True)
    bucket = f"b{uuid.uuid4().hex}"
    fsspec.filesystem("s3").mkdir(bucket)
    proxy = LoginProxy(mlflow_server.uri, login="ada", password=hidden["MLflow password"], token=hidden["MLflow token"])
    connection = {"conn_type": "mlflow", "host": proxy.url}
    warehouse = {"conn_type": "http", "host": "wh", "login": "w", "password": hidden["connection password"]}
    environment = {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": hidden["S3 key"],
        "AIRFLOW__ML__STORE": f"s3://{bucket}/store",
        "AIRFLOW__ML__STAGE_ENVIRONMENT": "ML_ENDPOINT_TOKEN",
        "AIRFLOW__CORE__FERNET_KEY": hidden["Fernet key"],
        "AIRFLOW__API__SECRET_KEY": hidden["API key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": hidden["JWT key"],
        "AIRFLOW_VAR_API_TOKEN": hidden["variable"],
        "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps(
            {**connection, "login": "ada", "password": hidden["MLflow password"]}
        ),
        "AIRFLOW_CONN_MLFLOW_TOKEN": json.dumps({**connection, "extra": {"token": hidden["MLflow token"]}}),
        "AIRFLOW_CONN_WAREHOUSE": json.dumps({**warehouse, "extra": {"secret": hidden["connection extra"]}}),
        "ML_ENDPOINT_TOKEN": hidden["endpoint token"],
    }
    home = tmp_path_factory.mktemp("airflow")
    lines = CommandLines()
    server = AirflowServer(home=home, dags_folder=folder, environment=environment)
    with server as api:
        runs = {}
        for name, wanted in (("kept", "success"), ("told", "failed")):
            api.wait_for_dag(name)
            runs[name] = api.trigger(name)
            state = api.wait_for_run(name, runs[name], seconds=240)
            assert state == wanted, {task: api.log(name, runs[name], task) for task in api.tasks(name, runs[name])}
        endpoint = api.xcom("kept", runs["kept"], "serve", "endpoint")
        yield api, server, runs, endpoint, bucket, mlflow_server, lines
        for process in psutil.process_iter(["environ", "cmdline"]):
            told = (*(process.info["environ"] or {}).values(), *(process.info["cmdline"] or ()))
            if any(f"{home}/ml-serving" in one for one in told):
                process.kill()
    lines.close()
    proxy.close()


def found_in(text, hidden):
    return sorted(name for name, value in hidden.items() if value in text)


def test_the_endpoint_asks_for_its_token(pipelines, hidden):
    endpoint = pipelines[3]
    body = {"dataframe_split": {"columns": ["x"], "data": [[1.0]]}}
    assert httpx.post(f"{endpoint['url']}/invocations", json=body).status_code == 401
    bearer = {"authorization": f"Bearer {hidden['endpoint token']}"}
    assert httpx.post(f"{endpoint['url']}/invocations", json=body, headers=bearer).status_code == 200


def test_files_of_airflow_hold_none(pipelines, hidden):
    """Its database (XComs, rendered fields, serialized DAGs, task states), logs, and the folder of endpoints."""
    server = pipelines[1]
    looked = {}
    for path in server.home.rglob("*"):
        if path.is_file() and path.name not in ("airflow.cfg", PASSWORD_FILE):
            looked[str(path.relative_to(server.home))] = path.read_bytes().decode("utf-8", "replace")
    assert {name: found for name, text in looked.items() if (found := found_in(text, hidden))} == {}
    # What is looked for would be found there: these hold what the pipelines said.
    assert "steps.quoting:quotes" in looked["airflow.db"]
    assert any("401 for Bearer ***" in text for name, text in looked.items() if name.startswith("logs"))
    assert any(name.startswith("ml-serving") for name in looked)


def test_the_store_holds_none(pipelines, hidden):
    import fsspec

    bucket = pipelines[4]
    files = fsspec.filesystem("s3")
    files.invalidate_cache()
    looked = {path: files.cat_file(path).decode("utf-8", "replace") for path in files.find(bucket)}
    assert {path: found for path, text in looked.items() if (found := found_in(text, hidden))} == {}
    assert any("401 for Bearer ***; store http://key:***@s3.example" in text for text in looked.values())


def test_mlflow_holds_none(pipelines, hidden):
    folder = pipelines[5].artifacts.parent
    looked = {str(path): path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file()}
    assert {path: found for path, text in looked.items() if (found := found_in(text, hidden))} == {}
    assert any("airflow_ml." in text for text in looked.values())


def test_no_command_line_holds_one(pipelines, hidden):
    lines = pipelines[6]
    assert found_in("\n".join(lines.seen), hidden) == []
    assert any("airflow_ml_provider.runtime" in line for line in lines.seen)


def test_no_answer_of_the_api_holds_one(pipelines, hidden):
    api, server, runs, *_ = pipelines
    asked = ["/dags", "/connections", "/variables", "/assets", "/importErrors", "/eventLogs?limit=1000", "/plugins"]
    for name, run in runs.items():
        asked += [f"/dags/{name}/details", f"/dagSources/{name}", f"/dags/{name}/dagRuns", f"/dags/{name}/tasks"]
        asked.append(f"/dags/{name}/dagRuns/{run}/taskInstances")
        for task in api.tasks(name, run):
            one = f"/dags/{name}/dagRuns/{run}/taskInstances/{task}"
            asked += [one, f"{one}/tries", f"{one}/xcomEntries", f"{one}/links", f"{one}/logs/1"]
            entries = api.get(f"{one}/xcomEntries")["xcom_entries"]
            asked += [f"{one}/xcomEntries/{entry['key']}" for entry in entries]
    answers = {}
    with httpx.Client(headers=api.headers, timeout=60) as client:
        for path in asked:
            answers[path] = client.get(f"{server.url}/api/v2{path}").text
        for name in runs:
            answers[f"plan of {name}"] = client.get(f"{server.url}/ml/api/dags/{name}/plan").text
    assert {path: found for path, text in answers.items() if (found := found_in(text, hidden))} == {}
    assert "rendered_fields" in answers[f"/dags/kept/dagRuns/{runs['kept']}/taskInstances/train"]
    assert '"verdict"' in answers["plan of kept"]
