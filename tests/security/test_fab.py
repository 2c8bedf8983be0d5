"""Who sees what of a pipeline with the roles of the FAB auth manager."""

import httpx
import pytest

pytestmark = pytest.mark.integration


def statuses(airflow, user, *paths):
    headers = airflow.api(user).headers
    return [httpx.get(f"{airflow.url}{path}", headers=headers, timeout=90).status_code for path in paths]


PLAN, PAGE = "/ml/api/dags/bounded/plan", "/ml/dags/bounded/plan"


@pytest.mark.parametrize(
    ("user", "plan", "tab"),
    [
        ("op", 200, 200),
        # Given the right to read plugins, as the docs say; FAB's own Viewer and User lack it.
        ("viewer", 200, 200),
        ("user", 200, 403),
        ("one", 200, 200),
        ("nobody", 403, 403),
    ],
)
def test_who_may_read_a_dag_and_its_code_sees_its_plan(fab, user, plan, tab):
    assert statuses(fab, user, PLAN, PAGE, "/api/v2/plugins") == [plan, plan, tab]


def test_unknown_and_forbidden_dags_answer_alike(fab):
    headers = fab.api("one").headers
    known, unknown = (
        httpx.get(f"{fab.url}/ml/api/dags/{name}/plan", headers=headers, timeout=90) for name in ("anybody", "nowhere")
    )
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json()) == (403, {"detail": "Forbidden"})


def test_without_a_login_there_is_nothing(fab):
    assert [httpx.get(f"{fab.url}{path}").status_code for path in (PLAN, PAGE)] == [401, 401]
