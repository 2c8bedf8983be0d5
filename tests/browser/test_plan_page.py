"""The tab of a DAG that says what its next run would do."""

import httpx

PIPELINE = """\
pipeline: planned
tracking: false
cache: true
code: planned_steps
stages:
  first:
    kind: container
    run: planned_steps.work:first
    outputs: {one: file}
  second:
    kind: container
    run: planned_steps.work:second
    inputs: {one: first.one}
    cache: false
"""
CODE = """\
from pathlib import Path


def first(one: Path):
    one.write_text("1")


def second(one: Path):
    return {"size": one.stat().st_size}
"""


def test_the_tab_says_what_the_next_run_would_do(airflow, folder, logged_in, picture):
    server, api = airflow
    (folder / "planned_steps").mkdir()
    (folder / "planned_steps" / "work.py").write_text(CODE)
    (folder / "planned.yaml").write_text(PIPELINE)
    api.wait_for_dag("planned")
    run_id = api.trigger("planned")
    assert api.wait_for_run("planned", run_id) == "success"
    with logged_in(f"{server.url}/dags/planned") as page:
        page.goto(f"{server.url}/dags/planned")
        page.get_by_role("link", name="ML plan").first.click()
        frame = page.frame_locator("iframe")
        frame.get_by_role("heading", name="What the next run of planned would do").wait_for(timeout=60_000)
        rows = [row.inner_text().split("\t") for row in frame.get_by_role("row").all()]
        assert rows[1:] == [
            ["first", "container", "reused", f"from run {run_id}"],
            ["second", "container", "runs", "its cache is off"],
        ]
        page.screenshot(path=picture("plan"))


def test_who_is_not_logged_in_sees_nothing(airflow):
    server, _ = airflow
    for path in ("ml/dags/planned/plan", "ml/api/dags/planned/plan"):
        assert httpx.get(f"{server.url}/{path}", timeout=30).status_code == 401
