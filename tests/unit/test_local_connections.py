"""Connections of a local run are read from the environment as Airflow reads them."""

import json

import pytest
from airflow.sdk import Connection as AirflowConnection

from airflow_ml_provider.errors import MlflowError, StageConfigurationError
from airflow_ml_provider.local.connections import EnvironmentConnections

FIELDS = ("conn_type", "host", "schema", "login", "password", "port")


def found(text):
    return EnvironmentConnections({"AIRFLOW_CONN_C": text}).find("c")


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow://localhost:5000",
        "mlflow://ann:s%40cret@mlflow.example.org:443/https",
        "mlflow://http://localhost:5000",
        "mlflow://https://mlflow.example.org/?token=abc&tls_verify=false",
        "mlflow://http%3A%2F%2FLocalhost%3A5000",
        "google-cloud-platform://?__extra__=%7B%22token%22%3A+%22x%22%7D",
        "mlflow://",
        "mlflow://:pass@host",
    ],
)
def test_a_uri_is_read_as_airflow_reads_it(uri):
    wanted, ours = AirflowConnection.from_uri(uri, conn_id="c"), found(uri)

    assert {name: getattr(ours, name) or None for name in FIELDS} == {
        name: getattr(wanted, name) or None for name in FIELDS
    }
    assert ours.extra_dejson == wanted.extra_dejson


@pytest.mark.parametrize(
    "given",
    [
        {"conn_type": "mlflow", "host": "http://localhost:5000"},
        {"conn_type": "mlflow", "host": "h", "port": "5000", "login": "ann", "password": "p", "schema": "https"},
        {"conn_type": "mlflow", "host": "h", "extra": {"token": "t", "timeout": 3}},
        {"conn_type": "mlflow", "host": "h", "extra": '{"token": "t"}'},
    ],
)
def test_json_is_read_as_airflow_reads_it(given):
    text = json.dumps(given)
    wanted, ours = AirflowConnection.from_json(text, conn_id="c"), found(text)

    assert {name: getattr(ours, name) for name in FIELDS} == {name: getattr(wanted, name) for name in FIELDS}
    assert ours.extra_dejson == wanted.extra_dejson


@pytest.mark.parametrize("text", ["{", "{]", "mlflow://a:b://c://d", '{"port": "secret"}'])
def test_what_is_no_connection_is_refused_without_its_content(text):
    with pytest.raises(StageConfigurationError, match="AIRFLOW_CONN_C is neither the JSON nor the URI") as caught:
        found(text)

    assert "secret" not in str(caught.value)


def test_secrets_are_not_in_what_a_connection_says_of_itself():
    connections = EnvironmentConnections({"AIRFLOW_CONN_C": "mlflow://ann:geheim@host?token=geheim"})

    assert "geheim" not in repr(connections.find("c"))
    assert "geheim" not in repr(connections.mlflow("c"))
    assert connections.mlflow("c").client_environment()["MLFLOW_TRACKING_PASSWORD"] == "geheim"


def test_a_connection_that_is_not_there_says_what_to_set():
    with pytest.raises(MlflowError, match="set AIRFLOW_CONN_MLFLOW_DEFAULT, such as"):
        EnvironmentConnections({}).mlflow("mlflow_default")
