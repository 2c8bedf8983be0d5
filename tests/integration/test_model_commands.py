"""``airflow-ml model`` on a real registry."""

import json

import pytest
from typer.testing import CliRunner

from airflow_ml_provider.cli.main import app
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.mlflow_api.registry import ModelRegistry

NAME = "served"


@pytest.fixture
def airflow_ml(mlflow_server, monkeypatch):
    """Run a command; returns its exit code and what it printed."""
    connection = json.dumps({"conn_type": "mlflow", "host": mlflow_server.uri})
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", connection)

    def run(*arguments):
        done = CliRunner().invoke(app, ["model", *arguments])
        return done.exit_code, done.output

    return run


@pytest.fixture
def three_versions(airflow_ml, mlflow):
    mlflow.call("POST", "registered-models/create", json={"name": NAME})
    run = mlflow.call("POST", "runs/create", json={"experiment_id": "0"})["run"]["info"]
    version = {"name": NAME, "source": f"{run['artifact_uri']}/model", "run_id": run["run_id"]}
    for _ in range(3):
        mlflow.call("POST", "model-versions/create", json=version)
    return ModelRegistry(MlflowHook("mlflow_default").get_conn())


def test_a_champion_is_made_and_taken_back(airflow_ml, mlflow, three_versions):
    assert airflow_ml("rollback", NAME)[0] == 2
    assert airflow_ml("promote", NAME, "1") == (0, "served version 1 is champion; there was none\n")
    three_versions.promote(NAME, "3", by="p manual__1")
    assert airflow_ml("promote", NAME, "2") == (0, "served version 2 is champion; it was 3\n")
    assert airflow_ml("rollback", NAME) == (0, "served version 3 is champion again; it was 2\n")
    assert mlflow.aliases(NAME) == {"champion": "3"}
    code, told = airflow_ml("history", NAME, "--json")
    entries = json.loads(told)
    assert (code, [entry["version"] for entry in entries]) == (0, ["3", "2", "3", "1"])
    assert [entry["by"].rpartition(", ")[2] for entry in entries] == [
        "airflow-ml model rollback",
        "airflow-ml model promote",
        "p manual__1",
        "airflow-ml model promote",
    ]
    # Said once more, nothing changes.
    three_versions.promote(NAME, "3", by="again")
    assert len(three_versions.history(NAME)) == 4

    code, told = airflow_ml("list", NAME, "--json")
    assert [(each["version"], each["alias"]) for each in json.loads(told)] == [("3", "champion"), ("2", ""), ("1", "")]
    assert {"model": NAME, "champion": "3", "challenger": None} in json.loads(airflow_ml("list", "--json")[1])
    assert "champion" in airflow_ml("list", NAME)[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("promote", "served", "9"), "not found"),
        (("promote", "served", "latest"), "version 'latest' is not a number"),
        (("history", "sevred"), "no version of a model 'sevred' is registered"),
        (("list", "x' or name='y"), "is not a model's name"),
        (("list", "--connection", "nowhere"), "nowhere"),
    ],
)
def test_what_is_wrong_is_reported(airflow_ml, arguments, says):
    """Runs after the other, which registers the model."""
    code, told = airflow_ml(*arguments)
    assert code != 0
    assert says in told.lower() or says in told, told
