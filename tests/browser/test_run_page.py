"""A run on the page ML while it trains, and after it failed; its pipeline, and what differs between runs."""

import json
from urllib.parse import quote

import httpx
import pytest

from airflow_ml_provider.testing.airflow_server import AirflowServer
from tests.browser.conftest import LOADER

HOSTILE = "<img src=x onerror=window.ran=1>"
STEPS = f"""\
import time
from pathlib import Path

import mlflow


def prepare(out, *, depth: int):
    out.write_text("a,b\\n1,2\\n")


def train(data, model, *, until: str, depth: int):
    for step in range(5):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    while not Path(until).exists():
        time.sleep(0.1)
    raise ValueError({HOSTILE!r})
"""
PIPELINE = """\
pipeline: live
code: ./live
params: {until: "", depth: 6}
stages:
  prepare:
    kind: feature_engineering
    run: "live.steps:prepare"
    outputs: {out: dataset}
    params: {depth: "{{ params.depth }}"}
    cache: true
  train:
    kind: train
    run: "live.steps:train"
    inputs: {data: prepare.out}
    params: {until: "{{ params.until }}", depth: "{{ params.depth }}"}
    retries: 0
"""


@pytest.fixture(scope="module")
def tracked(tmp_path_factory, mlflow_server):
    """An Airflow with a pipeline that trains until a file is there, tracked by a real MLflow."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "live").mkdir()
    (folder / "load_pipelines.py").write_text(LOADER.read_text())
    (folder / "live.yaml").write_text(PIPELINE)
    (folder / "live" / "steps.py").write_text(STEPS)
    server = AirflowServer(
        home=tmp_path_factory.mktemp("airflow"),
        dags_folder=folder,
        environment={
            "AIRFLOW__ML__STORE": f"file://{tmp_path_factory.mktemp('store')}",
            "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps({"conn_type": "mlflow", "host": mlflow_server.uri}),
        },
    )
    with server as api:
        api.wait_for_dag("live")
        yield server, api


def test_a_run_while_it_trains_and_after_it_failed(tracked, logged_in, picture, tmp_path):
    server, api = tracked
    until = tmp_path / "until"
    run_id = api.trigger("live", conf={"until": str(until)})
    with logged_in(server.url) as page:
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{server.url}/plugin/ml")
        page.get_by_role("list", name="Last runs of live").get_by_role("link").last.click()
        page.wait_for_url("**/plugin/ml/dags/live/runs/**")
        page.get_by_role("group", name="Stage train: running").wait_for(timeout=60_000)
        panel = page.get_by_role("region", name="Stage train")
        panel.get_by_text("loss 0.2 at step 4").wait_for(timeout=60_000)
        assert panel.locator("path.recharts-line-curve").count() == 1
        page.screenshot(path=picture("ml-run-live"))

        until.touch()
        panel.get_by_text("StageUserCodeError").wait_for(timeout=90_000)
        assert panel.get_by_text(HOSTILE).is_visible()
        assert page.evaluate("window.ran") is None
        page.screenshot(path=picture("ml-run-failed"))

        # By keyboard alone: to a stage, and choose it.
        stage = page.get_by_role("group", name="Stage prepare: success")
        stage.focus()
        page.keyboard.press("Enter")
        panel = page.get_by_role("region", name="Stage prepare")
        panel.get_by_role("row", name="out dataset 8 B").wait_for()
        page.get_by_role("link", name="Machine learning").click()
        page.get_by_role("heading", name="Machine learning").wait_for()

        page.set_viewport_size({"width": 390, "height": 844})
        page.emulate_media(color_scheme="dark")
        page.goto(f"{server.url}/plugin/ml/dags/live/runs/{quote(run_id)}")
        page.get_by_text("StageUserCodeError").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.screenshot(path=picture("ml-run-phone"))
        assert problems == []


def test_the_tab_of_a_run(tracked, logged_in, picture, tmp_path):
    server, api = tracked
    until = tmp_path / "until"
    until.touch()
    run_id = api.trigger("live", conf={"until": str(until)})
    api.wait_for_run("live", run_id, seconds=120)
    with logged_in(server.url) as page:
        page.goto(f"{server.url}/dags/live/runs/{quote(run_id)}")
        page.get_by_role("link", name="ML run").click()
        page.get_by_role("region", name="Stage train").get_by_text("StageUserCodeError").wait_for()
        assert page.get_by_role("heading", level=1).count() <= 1
        page.screenshot(path=picture("ml-run-tab"))
        # From there to the page of all pipelines, which the same bundle holds.
        page.get_by_role("link", name="ML", exact=True).click()
        page.get_by_role("heading", name="Machine learning").wait_for()


def test_a_pipeline_and_what_differs_between_its_runs(tracked, logged_in, picture, tmp_path):
    server, api = tracked
    until = tmp_path / "until"
    until.touch()
    runs = [api.trigger("live", conf={"until": str(until), "depth": depth}) for depth in (6, 8)]
    for run_id in runs:
        api.wait_for_run("live", run_id, seconds=120)
    with logged_in(server.url) as page:
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{server.url}/plugin/ml")
        page.get_by_role("link", name="live", exact=True).click()
        page.get_by_role("heading", name="live", exact=True).wait_for()
        for run_id in runs:
            page.get_by_label(f"Compare {run_id}").check()
        differs = page.get_by_role("region", name="What differs")
        reuse = differs.get_by_role("row").filter(has_text="reuse")
        reuse.wait_for()
        assert "depth" in reuse.inner_text(), "why the second one ran"
        assert differs.get_by_role("row").count() == 2, "the head, and what differs"
        assert quote(runs[0], safe="") in page.url or runs[0] in page.url
        page.screenshot(path=picture("ml-pipeline"), full_page=True)
        # The address keeps the choice.
        page.reload()
        differs.wait_for()

        page.goto(f"{server.url}/dags/live")
        page.get_by_role("link", name="ML runs").click()
        page.get_by_role("region", name="Runs").get_by_role("link", name=runs[0]).click()
        page.get_by_role("region", name="Stage train").wait_for()
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{server.url}/plugin/ml/dags/live")
        page.get_by_role("region", name="Runs").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.screenshot(path=picture("ml-pipeline-phone"))
        assert problems == []


def test_curves_of_a_run_are_those_of_its_own(tracked):
    """Whoever may edit XComs does not read the MLflow run of another."""
    server, api = tracked
    first, second = (api.trigger("live", conf={"until": "/"}) for _ in range(2))
    for run_id in (first, second):
        api.wait_for_run("live", run_id, seconds=120)
    url = api.xcom("live", first, "train", "mlflow_run_url")

    def curves(run_id):
        path = f"{server.url}/ml/api/dags/live/runs/{quote(run_id)}/stages/train/curves"
        return httpx.get(path, headers=api.headers, timeout=60)

    assert [curve["name"] for curve in curves(first).json()["curves"]][:1] == ["loss"]
    place = f"/dags/live/dagRuns/{second}/taskInstances/train/xcomEntries/mlflow_run_url"
    changed = httpx.patch(
        f"{server.url}/api/v2{place}", json={"value": url, "map_index": -1}, headers=api.headers, timeout=60
    )
    assert changed.status_code == 200, changed.text
    assert (curves(second).status_code, curves(second).json()) == (404, {"detail": "this task has no run in MLflow"})
