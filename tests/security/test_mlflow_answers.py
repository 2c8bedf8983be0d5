"""Answers of an MLflow that is not to be trusted: limits, shapes, and what of them reaches messages."""

import gzip
import http.server
import json
import threading
import tracemalloc

import pytest

from airflow_ml_provider.errors import MlflowAuthorizationError, MlflowError, MlflowUnavailableError
from airflow_ml_provider.mlflow_api import answers
from airflow_ml_provider.mlflow_api.client import MlflowClient
from airflow_ml_provider.mlflow_api.registry import ModelRegistry
from airflow_ml_provider.mlflow_api.server import MlflowServer

TOKEN = "bearer-token-of-the-connection"
RUN = {"info": {"run_id": "r", "experiment_id": "1", "status": "RUNNING"}, "data": {}}


@pytest.fixture
def mlflow():
    """A real HTTP server that answers what a test wants, and a client that knows it."""
    wanted = {"status": 200, "body": b"{}", "headers": {}}

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = wanted["body"]
            self.send_response(wanted["status"])
            for name, value in wanted["headers"].items():
                self.send_header(name, value)
            if isinstance(body, bytes):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                for part in [body] if isinstance(body, bytes) else body:
                    self.wfile.write(part)
            except OSError:
                self.close_connection = True

        do_POST = do_GET

        def log_message(self, *arguments):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    uri = f"http://127.0.0.1:{server.server_address[1]}"
    client = MlflowClient(MlflowServer(connection="mlflow_default", uri=uri, token=TOKEN))

    def answers_with(body, *, status=200, **headers):
        wanted.update(
            body=body if isinstance(body, bytes) or hasattr(body, "__next__") else json.dumps(body).encode(),
            status=status,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        return client

    yield answers_with
    server.shutdown()
    server.server_close()


def test_a_run_comes_as_it_is(mlflow):
    assert mlflow({"run": RUN}).get_run("r")["info"]["run_id"] == "r"
    packed = gzip.compress(json.dumps({"run": RUN}).encode())
    assert mlflow(packed, Content_Encoding="gzip").get_run("r")["info"]["status"] == "RUNNING"


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        None,
        {"run": []},
        {"run": {"info": "x"}},
        {"run": {"info": {"run_id": 3, "experiment_id": "1", "status": "RUNNING"}}},
        {"run": {**RUN, "data": []}},
        {"run": {**RUN, "data": {"tags": {"a": "b"}}}},
        {"run": {**RUN, "data": {"tags": [{"value": "no key"}]}}},
        {"run": {**RUN, "data": {"metrics": [{"key": "k", "value": 1, "step": "x"}]}}},
        {"run": {**RUN, "info": {**RUN["info"], "start_time": "noon"}}},
    ],
)
def test_an_answer_of_another_shape_is_one_class_of_error(mlflow, body):
    with pytest.raises(MlflowError, match=r"answered runs/get.*, and its answer"):
        mlflow(body).get_run("r")


@pytest.mark.parametrize("body", [b"<html>", b"\xff\xfe", b"[" * 100_000, b""])
def test_what_is_not_json_is_not_mlflow(mlflow, body):
    with pytest.raises(MlflowError, match="is it an MLflow server"):
        mlflow(body).get_run("r")


@pytest.mark.parametrize(
    "version",
    [
        {},
        {"name": "m"},
        {"name": "m", "version": "../1"},
        {"name": 1, "version": "1"},
        {"name": "m", "version": "1", "tags": 3},
        {"name": "m", "version": "1", "creation_timestamp": "yesterday"},
        {"name": "m", "version": "1", "creation_timestamp": -1},
    ],
)
def test_a_version_of_another_shape(mlflow, version):
    registry = ModelRegistry(mlflow({"model_version": version, "model_versions": [version]}))
    asked = (
        lambda: registry.version("m", "1"),
        lambda: registry.version_of_alias("m", "a"),
        lambda: list(registry.versions("m")),
    )
    for ask in asked:
        with pytest.raises(MlflowError, match="and its answer has"):
            ask()


def test_pages_that_never_end(mlflow):
    registry = ModelRegistry(mlflow({"model_versions": [], "next_page_token": "again"}))
    with pytest.raises(MlflowError, match="its pages never end"):
        list(registry.versions("m"))


def test_an_answer_that_is_too_large_is_not_read(mlflow, monkeypatch):
    monkeypatch.setattr(answers, "ANSWER_BYTES", 8 * 1024**2)
    with pytest.raises(MlflowError, match="more than 8 MiB"):
        mlflow(b" " * 1024**2 for _ in range(1000)).get_run("r")


def test_a_small_answer_that_unpacks_to_a_large_one_is_not_read(mlflow, monkeypatch):
    monkeypatch.setattr(answers, "ANSWER_BYTES", 8 * 1024**2)
    bomb = gzip.compress(b" " * 256 * 1024**2)
    tracemalloc.start()
    with pytest.raises(MlflowError, match="more than 8 MiB"):
        mlflow(bomb, Content_Encoding="gzip").get_run("r")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200 * 1024**2
    with pytest.raises(MlflowError, match="packed as 'gzip, gzip'"):
        mlflow(gzip.compress(bomb), Content_Encoding="gzip, gzip").get_run("r")


def test_an_answer_that_trickles_is_given_up(mlflow, monkeypatch):
    monkeypatch.setattr(answers, "ANSWER_SECONDS", 0.2)
    held = threading.Event()

    def trickle():
        while not held.wait(0.05):
            yield b" "

    with pytest.raises(MlflowError, match="took more than 0.2 s"):
        mlflow(trickle()).get_run("r")
    held.set()


@pytest.mark.parametrize(("status", "kind"), [(400, MlflowError), (403, MlflowAuthorizationError)])
def test_what_mlflow_says_is_one_short_line_without_the_token(mlflow, status, kind):
    forged = f"no\nERROR - forged line \x1b[31m {TOKEN} " + "x" * 5000
    with pytest.raises(kind) as caught:
        mlflow({"message": forged, "error_code": "BAD\nCODE"}, status=status).get_run("r")
    said = str(caught.value)
    assert len(said) < 700
    assert "\n" not in said
    assert "\x1b" not in said
    assert TOKEN not in said


def test_a_server_error_says_nothing_of_its_body(mlflow, monkeypatch):
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    with pytest.raises(MlflowUnavailableError) as caught:
        mlflow(b"secret" * 100, status=500).get_run("r")
    assert "secret" not in str(caught.value)
