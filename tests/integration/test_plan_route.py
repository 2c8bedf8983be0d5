"""The plan of a pipeline over HTTP."""

import httpx
import pytest


@pytest.fixture
def ask(airflow):
    """Ask for a plan, logged in; returns the status and the answer."""
    headers = airflow.api.headers

    def run(dag_id):
        url = f"{airflow.server.url}/ml/api/dags/{dag_id}/plan"
        response = httpx.get(url, headers=headers, timeout=90)
        return response.status_code, response.json()

    return run


def test_it_says_what_the_command_says(airflow, ask):
    airflow.api.wait_for_dag("cached")
    status, plan = ask("cached")
    assert status == 200
    assert plan["pipeline"] == "cached"
    stages = {stage["stage"]: stage["cache"]["verdict"] for stage in plan["stages"]}
    assert stages.keys() == {"ingest", "features", "train", "evaluate"}
    assert set(stages.values()) <= {"reused", "runs", "unknown"}


def test_a_pipeline_with_mistakes(airflow, ask):
    airflow.api.wait_for_dag("broken")
    status, answer = ask("broken")
    assert (status, "broken.yaml" in answer["detail"]) == (409, True), answer


def test_a_dag_that_is_no_pipeline(airflow, ask):
    airflow.api.wait_for_dag("lake_writer")
    status, answer = ask("lake_writer")
    assert status == 409
    assert "no pipeline file of 'lake_writer' lies next to lake_writer.py" in answer["detail"]


def test_a_dag_that_does_not_exist(ask):
    status, answer = ask("nowhere")
    assert (status, "nowhere" in str(answer)) == (404, True)
