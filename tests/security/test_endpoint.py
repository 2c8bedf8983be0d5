"""An endpoint that strangers may call: limits, what is counted, what is kept, what is said."""

import contextlib
import http.client
import json
import re
import time
import uuid
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from airflow_ml_provider.protocol.serving import metrics_port
from airflow_ml_provider.runtime.stages.dataset.reading import read_dataset
from airflow_ml_provider.runtime.stages.serve.counters import Counters
from airflow_ml_provider.runtime.stages.serve.watch import _measured
from airflow_ml_provider.testing.airflow_api import wait_until
from tests.security.endpoint import start

MIB = 1024 * 1024
GOOD = {"dataframe_split": {"columns": ["x", "k"], "data": [[1.5, "a"]]}}


@pytest.fixture(scope="module")
def model(mlflow_server):
    """A registered model with a signature."""
    import mlflow
    import pandas as pd
    from mlflow.models import infer_signature

    name = f"line_{uuid.uuid4().hex[:8]}"
    mlflow.set_tracking_uri(mlflow_server.uri)
    rows = pd.DataFrame({"x": [1.0], "k": ["a"]})
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="m",
            python_model=str(Path(__file__).with_name("endpoint_model.py")),
            signature=infer_signature(rows, [1.0]),
            registered_model_name=name,
            pip_requirements=[],
        )
    return name


@pytest.fixture(scope="module")
def endpoint(model, mlflow_server, tmp_path_factory):
    found = start(model, "1", mlflow=mlflow_server.uri, folder=tmp_path_factory.mktemp("endpoint"))
    yield found
    found.process.terminate()
    found.process.wait(30)


@pytest.fixture
def before(endpoint):
    return endpoint.counters()


def split(columns, rows):
    return json.dumps({"dataframe_split": {"columns": columns, "data": rows}}).encode()


REFUSED = {
    "no JSON": (b"{", 400, "the request is not JSON"),
    "nested": (b"[" * 20_000, 400, "nested more than 32 deep|not JSON"),
    "nested, and closed": (b"[" * 900 + b"]" * 900, 400, "nested more than 32 deep"),
    "a list": (b"[1]", 400, "is not a JSON object"),
    "a long name": (split(["x" * 1_000, "k"], [[1, "a"]]), 400, "a name has 1000 characters: 256 are taken"),
    "a long key": (json.dumps({"y" * 300: 1}).encode(), 400, "a name has 300 characters"),
    "many rows": (split(["x", "k"], [[1, "a"]] * 15_000), 413, "15000 rows: 10000 are taken at most"),
    "many columns": (split([f"c{n}" for n in range(2_001)], []), 413, "2001 columns: 2000 are taken"),
    "many cells": (
        json.dumps({"dataframe_records": [{f"c{n}": 1} for n in range(1_500)]}).encode(),
        413,
        "1500 rows of 1500 columns: 1000000 cells",
    ),
    "many lists": (b'{"inputs": [' + b"[]," * 300_000 + b"[]]}", 413, "too many values"),
    "a large body": (b'{"inputs": ["' + b"x" * (5 * MIB) + b'"]}', 413, "4194304 are taken at most"),
    "a large number": (b'{"inputs": [' + b"1" * 5_000 + b"]}", 400, "the request is not JSON"),
    "no UTF-8": (b'{"inputs": ["\xff"]}', 400, "the request is not JSON"),
    "another schema": (split(["y"], [[1]]), 400, "enforce schema"),
    "another type": (split(["x", "k"], [["text", "a"]]), 400, ""),
    "an unseen category": (split(["x", "k"], [[1, "unseen"]]), 400, ""),
    "no rows by name": (b'{"dataframe_split": 1}', 400, ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_with_a_request_is_its_own_failure(endpoint, before, name):
    body, status, message = REFUSED[name]
    answer = endpoint.post(body)
    assert answer.status_code == status, answer.text
    assert re.search(message, answer.text), answer.text
    assert "Traceback" not in answer.text
    assert len(answer.text) < 2_500
    now = endpoint.counters().since(before)
    assert (now.refused, now.requests, now.errors) == (1, 0, 0)


def test_csv_has_the_same_limits(endpoint):
    assert endpoint.post(b"x,k\n1.5,a\n", content_type="text/csv").json() == {"predictions": [3.0]}
    for body, status in ((b"x,k\n" + b"1,a\n" * 10_001, 413), (b"," * 100_000, 413), (b'x,k\n"' + b"a" * 200_000, 400)):
        assert endpoint.post(body, content_type="text/csv").status_code == status


def test_a_mistake_ends_neither_the_connection_nor_takes_time(endpoint):
    with endpoint.connected() as connection:
        begun = time.monotonic()
        for body, status in ((b"[[", 400), (b"{}", 400), (json.dumps(GOOD).encode(), 200)):
            head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            connection.sendall(b"POST /invocations HTTP/1.1\r\nhost: x\r\n" + head.encode() + body)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.getheader("connection")) == (status, None)
            answer.read()
        assert time.monotonic() - begun < 4


@pytest.mark.parametrize("content_type", ["application/x-parquet", "text/plain", "application/json; charset=latin-1"])
def test_another_media_type_is_refused(endpoint, content_type):
    assert endpoint.post(b"{}", content_type=content_type).status_code == 415


def test_a_body_that_is_encoded_is_refused(endpoint):
    assert endpoint.post(b"\x1f\x8b", content_encoding="gzip").status_code == 415


def test_a_model_that_fails_is_a_failure_of_the_server_and_shows_no_stack(endpoint, before):
    answer = endpoint.post(split(["x", "k"], [[1, "broken"]]))
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    now = endpoint.counters().since(before)
    assert (now.requests, now.errors, now.refused) == (1, 1, 0)
    assert "RuntimeError: no weights" in endpoint.log.read_text()


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/metrics", "/redoc", "/", "/invocations/../metrics"])
def test_there_is_nothing_else_on_the_public_port(endpoint, path):
    assert httpx.get(f"{endpoint.url}{path}", trust_env=False).status_code == 404


def test_the_port_of_the_counters_answers_nothing_else(endpoint):
    place = f"http://127.0.0.1:{metrics_port(endpoint.port)}"
    assert httpx.get(f"{place}/ping", trust_env=False).status_code == 404
    assert httpx.post(f"{place}/invocations", json=GOOD, trust_env=False).status_code == 404


def raw(endpoint, *parts, pause=0.0):
    """Send parts of a request, and return what comes back until the connection ends."""
    with endpoint.connected() as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while block := connection.recv(65536):
                answer += block
        return answer


def test_long_headers_are_refused(endpoint):
    head = b"POST /invocations HTTP/1.1\r\nhost: x\r\n" + b"a: " + b"b" * 20_000
    assert raw(endpoint, head).startswith(b"HTTP/1.1 431")


def test_what_is_not_http_is_refused(endpoint):
    assert raw(endpoint, b"\x16\x03\x01\r\n\r\n").startswith(b"HTTP/1.1 400")
    twice = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}"
    assert raw(endpoint, twice).startswith(b"HTTP/1.1 400")


def test_slow_headers_and_a_slow_body_end_while_others_are_answered(model, mlflow_server, tmp_path):
    found = start(model, "1", mlflow=mlflow_server.uri, folder=tmp_path, limits={"seconds": 1.0})
    try:
        slow = [found.connected() for _ in range(50)]
        for connection in slow:
            connection.sendall(b"POST /invocations HTTP/1.1\r\nhost: x\r\n")
        body = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"
        begun = time.monotonic()
        assert raw(found, body).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - begun < 9
        assert found.ask(**GOOD).status_code == 200
        for connection in slow:
            assert connection.recv(65536).startswith(b"HTTP/1.1 408")
            connection.close()
        # A second request of a connection has the same time for its headers.
        with found.connected() as kept:
            kept.sendall(b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n")
            answer = http.client.HTTPResponse(kept)
            answer.begin()
            assert (answer.status, answer.read()) == (200, b"\n")
            kept.sendall(b"GET /ping HTTP/1.1\r\nho")
            assert kept.recv(65536).startswith(b"HTTP/1.1 408")
    finally:
        found.process.kill()


def test_limits_are_the_authors(model, mlflow_server, tmp_path):
    limits = {"body": 200, "rows": 2, "columns": 2}
    found = start(model, "1", mlflow=mlflow_server.uri, folder=tmp_path, limits=limits, token="s3cret")
    try:
        bearer = {"authorization": "Bearer s3cret"}
        assert found.post(split(["x", "k"], [[1, "a"]] * 2), **bearer).json() == {"predictions": [2.0, 2.0]}
        assert found.post(split(["x", "k"], [[1, "a"]] * 3), **bearer).status_code == 413
        assert found.post(split(["x", "k", "z"], [[1, "a", 1]]), **bearer).status_code == 413
        assert found.post(b" " * 201, **bearer).status_code == 413
        for wrong in ({}, {"authorization": "Bearer S3cret"}, {"authorization": "Basic s3cret"}):
            refused = found.post(split(["x", "k"], [[1, "a"]]), **wrong)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert httpx.get(f"{found.url}/ping", trust_env=False).status_code == 200
        assert "s3cret" not in found.log.read_text() + " ".join(found.process.cmdline())
    finally:
        found.process.kill()


def test_one_request_of_a_long_name_costs_neither_memory_nor_log(endpoint):
    """The case of ../shared/cases/endpoint: a name of 60,000 characters and 15,000 rows were 2.3 GB and 903 MB."""
    before = endpoint.memory()
    body = split(["x", "k", "n" * 60_000], [[1, "a", 0]] * 15_000)
    assert endpoint.post(body).status_code == 400
    assert endpoint.memory() - before < 64 * MIB


def rows(endpoint):
    """Return the rows of the request log, by column."""
    tables = [pq.read_table(path).to_pylist() for path in endpoint.files()]
    return [row for table in tables for row in table]


def test_the_log_has_the_columns_of_the_signature_and_no_others(endpoint):
    extra = {"dataframe_records": [{"x": 41.0, "k": "a", "not_mine": {"a": [1]}, "prediction": "forged"}]}
    assert endpoint.ask(**extra).status_code == 200
    wait_until(lambda: any(row["x"] == 41.0 for row in rows(endpoint)), what="the row", seconds=30)
    found = rows(endpoint)
    own = {"request_id", "row", "requested_at", "model_version", "seconds", "prediction"}
    assert {frozenset(row) for row in found} == {frozenset({"x", "k", *own})}
    (row,) = [row for row in found if row["x"] == 41.0]
    assert (row["k"], row["prediction"], row["model_version"]) == ("a", 82.0, "1")


def test_a_window_of_old_and_new_files_is_read(endpoint, tmp_path):
    assert endpoint.ask(**GOOD).status_code == 200
    wait_until(endpoint.files, what="a file", seconds=30)
    for path in endpoint.files()[-1:]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    old = {"x": 7, "k": "a", "extra": 1, "request_id": "r", "row": 0, "requested_at": "2026-01-01", "seconds": 0.1}
    (tmp_path / "000000-host-1.jsonl").write_text(json.dumps({**old, "model_version": "1", "prediction": 1}) + "\n")
    frame = read_dataset(tmp_path, name="current").frame
    assert {"x", "k", "extra", "prediction"} <= set(frame.columns)
    assert 7 in set(frame["x"])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)
named = st.sampled_from(
    ["dataframe_split", "dataframe_records", "instances", "inputs", "params", "messages", "columns"]
)
bodies = (
    st.binary(max_size=200)
    | values.map(json.dumps).map(str.encode)
    | st.dictionaries(named, values, max_size=3).map(json.dumps).map(str.encode)
    | st.integers(1, 30_000).map(lambda depth: b"[" * depth)
    | st.integers(1, 2_000).map(
        lambda rows: json.dumps({"dataframe_records": [{f"c{n}": n} for n in range(rows)]}).encode()
    )
    | st.integers(1, 300_000).map(lambda length: split(["x" * length], [[1]] * 100))
)


def test_a_thousand_hostile_bodies_change_neither_memory_nor_the_verdict(endpoint):
    for _ in range(50):
        assert endpoint.ask(**GOOD).status_code == 200
    before, memory, failed = endpoint.counters(), endpoint.memory(), []
    types = st.sampled_from(["application/json"] * 8 + ["text/csv", "application/x-parquet", "\u00ff"])

    @settings(
        max_examples=1_000,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(bodies, types)
    def attack(body, content_type):
        answer = endpoint.post(body, content_type=content_type.encode("latin-1"))
        if answer.status_code >= 500:
            failed.append((body[:200], answer.text))

    attack()
    assert failed == []
    assert endpoint.process.is_running()
    growth = endpoint.memory() - memory
    assert growth < 64 * MIB, f"{growth / MIB:.0f} MiB"
    for _ in range(50):
        assert endpoint.ask(**GOOD).status_code == 200
    watched = _measured([endpoint.url], {endpoint.url: before}, None)
    assert watched["error_rate"] == 0
    assert watched["refused"] > 500


def test_counters_of_others_are_not_ours():
    assert Counters.read("ml_requests_total 5\n") is None
