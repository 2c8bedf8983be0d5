"""Who sees which pipelines on the page ML, with each auth manager."""

import httpx
import pytest

pytestmark = pytest.mark.integration

PIPELINES, BUNDLE, DOCUMENT = "/ml/api/pipelines", "/ml/static/ml.umd.js", "/ml/api/openapi.json"


def asked(server, user, **query):
    headers = server.api(user).headers
    return httpx.get(f"{server.url}{PIPELINES}", params=query, headers=headers, timeout=90)


@pytest.mark.parametrize("user", ["viewer", "trigger"])
def test_who_may_read_all_dags_sees_all_pipelines(server, user):
    for name in ("asking", "bounded"):
        server.api("trigger").wait_for_dag(name)
    found = asked(server, user).json()
    assert {"asking", "bounded"} <= {pipeline["dag_id"] for pipeline in found["pipelines"]}
    (bounded,) = [pipeline for pipeline in found["pipelines"] if pipeline["dag_id"] == "bounded"]
    assert [stage["task_id"] for stage in bounded["stages"]] == ["ingest", "show"]


def test_who_may_read_one_dag_sees_nothing_of_another(fab):
    fab.api("trigger").wait_for_dag("bounded")
    answer = asked(fab, "reader")
    assert [pipeline["dag_id"] for pipeline in answer.json()["pipelines"]] == ["bounded"]
    assert (answer.json()["total"], "asking" in answer.text, "anybody" in answer.text) == (1, False, False)
    assert asked(fab, "reader", search="asking").json()["total"] == 0
    # Airflow's own dependency would ask about this one alone.
    assert asked(fab, "one", dag_id="bounded").status_code == 403


def test_who_may_read_no_runs_is_refused(fab):
    assert [asked(fab, user).status_code for user in ("one", "nobody")] == [403, 403]


def test_without_a_login_there_is_only_the_page_itself(server):
    statuses = [httpx.get(f"{server.url}{path}").status_code for path in (PIPELINES, BUNDLE, DOCUMENT)]
    assert statuses == [401, 200, 200]


@pytest.mark.parametrize("path", ["..%2F..%2F__init__.py", "%2e%2e/package.json", "//etc/passwd"])
def test_the_bundles_folder_is_not_left(server, path):
    answer = httpx.get(f"{server.url}/ml/static/{path}")
    assert answer.status_code in {401, 404}
    assert "airflow" not in answer.text.lower()


@pytest.mark.parametrize(
    "query", [{"limit": 101}, {"limit": 0}, {"offset": -1}, {"offset": 10**9}, {"state": "x"}, {"search": "x" * 251}]
)
def test_odd_questions_are_refused(server, query):
    assert asked(server, "viewer", **query).status_code == 422
