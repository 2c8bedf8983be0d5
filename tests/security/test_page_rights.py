"""Who sees which pipelines on the page ML, with each auth manager."""

from urllib.parse import quote

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


RUN = "/ml/api/dags/{dag}/runs/{run}"


def of_run(server, user, dag, run, more=""):
    headers = server.api(user).headers if user else {}
    address = f"{server.url}{RUN.format(dag=dag, run=quote(run, safe=''))}{more}"
    return httpx.get(address, headers=headers, timeout=90)


@pytest.fixture(scope="module")
def ended(server):
    api = server.api("trigger")
    api.wait_for_dag("bounded")
    run_id = api.trigger("bounded")
    assert api.wait_for_run("bounded", run_id, seconds=120) == "success"
    return run_id


def test_a_run_is_shown_with_what_its_stages_said(server, ended):
    found = of_run(server, "viewer", "bounded", ended).json()
    assert [(stage["task_id"], stage["state"]) for stage in found["stages"]] == [
        ("ingest", "success"),
        ("show", "success"),
    ]
    assert [output["name"] for output in found["stages"][0]["instances"][0]["outputs"]] == ["data"]
    assert of_run(server, "viewer", "bounded", ended, "/stages/show/curves").status_code == 404


def test_a_run_that_is_not_there_is_not_found(server):
    for run in ("manual__x", "../..", "%2e%2e%2f", "x" * 300, "'; DROP TABLE xcom; --"):
        assert of_run(server, "viewer", "bounded", run).status_code in {404, 422}
    assert of_run(server, "viewer", "no_such_dag", "x").status_code in {403, 404}


def test_without_a_login_no_run_is_shown(server, ended):
    assert of_run(server, None, "bounded", ended).status_code == 401
    assert of_run(server, None, "bounded", ended, "/stages/show/curves").status_code == 401


def test_who_may_read_no_xcoms_sees_states_alone(fab):
    api = fab.api("trigger")
    api.wait_for_dag("bounded")
    run_id = api.trigger("bounded")
    assert api.wait_for_run("bounded", run_id, seconds=120) == "success"
    (ingest, _) = of_run(fab, "reader", "bounded", run_id).json()["stages"]
    assert (ingest["state"], ingest["instances"][0]["outputs"]) == ("success", [])
    assert of_run(fab, "reader", "bounded", run_id, "/stages/show/curves").status_code == 403
    assert of_run(fab, "reader", "asking", run_id).status_code == 403
    assert of_run(fab, "one", "bounded", run_id).status_code == 403
