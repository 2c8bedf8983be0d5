"""A person decides: yes, no, and somebody without the right."""

import httpx
import pytest

from tests.live.questions import wait_for_question

DAG = "approved"


@pytest.fixture
def asked(airflow):
    """Run a pipeline up to its question; returns the run and the answer's address."""

    def ask(dag, **conf):
        airflow.api.wait_for_dag(dag)
        run = airflow.api.trigger(dag, conf=conf)
        wait_for_question(airflow.api, airflow.server.log, dag=dag, run=run)
        return run, f"/dags/{dag}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"

    return ask


def answer(airflow, address, option, reason):
    body = {"chosen_options": [option], "params_input": {"reason": reason}}
    return httpx.patch(f"{airflow.server.url}/api/v2{address}", json=body, headers=airflow.api.headers)


def tags(mlflow, version):
    (found,) = [each for each in mlflow.versions("approved_model") if each["version"] == version]
    return {tag["key"].removeprefix("airflow_ml."): tag["value"] for tag in found["tags"]}


def test_a_yes_makes_a_champion_and_a_no_leaves_it(airflow, mlflow, asked):
    run, address = asked(DAG, alpha=1.0)
    assert mlflow.aliases("approved_model") == {"challenger": "1"}
    told = airflow.api.get(address)
    assert told["subject"] == "Shall approved_model version 1 become champion?"
    assert "There is no champion yet." in told["body"]
    assert [user["name"] for user in told["assigned_users"]] == ["admin"]
    assert answer(airflow, address, "Approve", "it is the first").status_code == 200
    assert airflow.api.wait_for_run(DAG, run, seconds=120) == "success", airflow.api.log(DAG, run, "approve")
    assert mlflow.aliases("approved_model") == {"champion": "1"}
    kept = tags(mlflow, "1")
    assert (kept["approval"], kept["approval_by"], kept["approval_reason"]) == ("approved", "admin", "it is the first")
    assert airflow.api.xcom(DAG, run, "approve", "approval")["approval"] == "approved"

    run, address = asked(DAG, alpha=2.0)
    assert "The champion is [version 1]" in airflow.api.get(address)["body"]
    assert answer(airflow, address, "Reject", "no better").status_code == 200
    assert airflow.api.wait_for_run(DAG, run, seconds=120) == "success"
    assert airflow.api.tasks(DAG, run)["announce"]["state"] == "skipped"
    assert mlflow.aliases("approved_model") == {"champion": "1", "challenger": "2"}
    assert (tags(mlflow, "2")["approval"], tags(mlflow, "2")["approval_reason"]) == ("rejected", "no better")


def test_who_may_not_answer_is_refused_and_no_answer_fails_the_task(airflow, mlflow, asked):
    """Runs after the other, whose version it asks about."""
    run, address = asked("asking")
    refused = answer(airflow, address, "Approve", "I may not")
    assert (refused.status_code, "not allowed" in refused.text or "not a respondent" in refused.text) == (403, True), (
        refused.text
    )
    assert airflow.api.wait_for_run("asking", run, seconds=120) == "failed"
    assert mlflow.aliases("approved_model") == {"champion": "1", "challenger": "2"}
    assert tags(mlflow, "2")["approval"] == "rejected"
