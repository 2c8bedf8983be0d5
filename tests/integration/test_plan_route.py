"""The plan of a pipeline over HTTP."""

import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from airflow_ml_provider.testing.airflow_api import wait_until


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
    assert "no task of 'lake_writer' is a stage of this provider" in answer["detail"]


def test_a_dag_in_python(airflow, ask):
    airflow.api.wait_for_dag("handwritten")
    status, plan = ask("handwritten")
    assert status == 200, plan
    stages = {stage["stage"]: stage for stage in plan["stages"]}
    assert [(name, stage["kind"]) for name, stage in stages.items()] == [
        ("make", "container"),
        ("train", "train"),
        ("evaluate", "evaluate"),
    ]
    assert stages["evaluate"]["after"] == ["make", "train"]
    assert stages["train"]["cache"]["reason"] == "it is mapped: its elements are known only in a run"


def test_a_dag_that_does_not_exist(ask):
    status, answer = ask("nowhere")
    assert (status, "nowhere" in str(answer)) == (404, True)


def address(airflow, dag_id):
    return f"{airflow.server.url}/ml/api/dags/{dag_id}/plan"


def plans_at_work():
    """Return how many processes make a plan now."""
    found = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            found += any("forecast import main" in part for part in process.cmdline())
    return found


def test_many_who_look_at_one_pipeline_wait_for_one_plan(airflow, ask):
    airflow.api.wait_for_dag("cached")
    begun = time.monotonic()
    ask("watched")
    alone = time.monotonic() - begun
    begun = time.monotonic()
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: ask("cached"), range(24)))
    assert {status for status, _ in answers} == {200}
    assert len({str(plan) for _, plan in answers}) == 1
    # One after the other, two at once, they would take twelve times as long.
    assert time.monotonic() - begun < 4 * alone


def test_more_plans_than_may_wait_are_refused(airflow):
    dags = [dag["dag_id"] for dag in airflow.api.get("/dags", tags="ml", limit=50)["dags"]]
    assert len(dags) > 15

    def look(dag_id):
        return httpx.get(address(airflow, dag_id), headers=airflow.api.headers, timeout=120)

    with ThreadPoolExecutor(len(dags)) as pool:
        answers = list(pool.map(look, dags))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert {answer.headers["retry-after"] for answer in refused} == {"5"}
    assert {answer.status_code for answer in answers} <= {200, 409, 429}


def test_a_plan_ends_with_who_asked_for_it(airflow):
    wait_until(lambda: plans_at_work() == 0, what="the end of other plans", seconds=60)
    token = airflow.api.headers["Authorization"]
    with socket.create_connection(("127.0.0.1", airflow.server.port)) as client:
        head = f"GET /ml/api/dags/served/plan HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n"
        client.sendall(head.encode())
        wait_until(lambda: plans_at_work() == 1, what="the plan", seconds=30, every=0.05)
    begun = time.monotonic()
    wait_until(lambda: plans_at_work() == 0, what="the end of the plan", seconds=30, every=0.05)
    assert time.monotonic() - begun < 2, "a plan takes longer"
