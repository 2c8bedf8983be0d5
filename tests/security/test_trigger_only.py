"""Somebody who may only trigger a run reads no file of the worker, and chooses what its author left open alone."""

import httpx
import pytest

pytestmark = pytest.mark.integration


def run(api, **conf):
    api.wait_for_dag("bounded")
    run_id = api.trigger("bounded", conf=conf)
    state = api.wait_for_run("bounded", run_id, seconds=120)
    tasks = api.tasks("bounded", run_id)
    return run_id, state, {name: (task["state"], task["try_number"]) for name, task in tasks.items()}


def test_what_the_author_left_open_is_open(trigger):
    run_id, state, _ = run(trigger, data="data/a.csv", day="2024-05-02", depth=2)
    assert state == "success"
    log = trigger.log("bounded", run_id, "show")
    assert "1,2" in log
    assert "day 2024-05-02, depth 2" in log


def test_a_stage_has_no_variable_that_is_not_listed(trigger):
    run_id, state, _ = run(trigger)
    assert state == "success"
    log = trigger.log("bounded", run_id, "show")
    assert "AIRFLOW_ML_INPUT_DATA=" in log
    for hidden in ("connection-password", "worker-key", "mlflow-password", "AIRFLOW__"):
        assert hidden not in log


@pytest.mark.parametrize(
    "data",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "/proc/self/environ",
        "data/../../../../../../../../etc/passwd",
        "simplecache::file:///etc/passwd",
        "s3://other/bucket.csv",
    ],
)
def test_no_file_of_the_worker_is_read(trigger, data):
    run_id, state, tasks = run(trigger, data=data)
    assert (state, tasks["ingest"]) == ("failed", ("failed", 1)), "no retry makes it better"
    log = trigger.log("bounded", run_id, "ingest")
    assert f"'{data}' is out of bounds: '{{{{ params.data }}}}' reads params.data" in log
    assert "root:" not in log
    assert "AIRFLOW_HOME=" not in log


@pytest.mark.parametrize(
    ("conf", "says"),
    [({"depth": 0}, "depth"), ({"depth": "4"}, "depth"), ({"day": "$(cat /etc/passwd)"}, "day")],
)
def test_a_value_that_the_schema_does_not_take_is_refused_before_the_run_begins(trigger, conf, says):
    trigger.wait_for_dag("bounded")
    with pytest.raises(ValueError, match=f"(?s)400.*{says}"):
        trigger.post("/dags/bounded/dagRuns", {"logical_date": None, "conf": conf})


def test_a_viewer_reads_the_plan(server):
    viewer = server.api("viewer")
    viewer.wait_for_dag("bounded")
    answer = httpx.get(f"{server.url}/ml/api/dags/bounded/plan", headers=viewer.headers, timeout=90)
    assert (answer.status_code, answer.json()["pipeline"]) == (200, "bounded")


def test_the_form_shows_title_description_and_schema(trigger):
    trigger.wait_for_dag("bounded")
    day = trigger.get("/dags/bounded/details")["params"]["day"]
    assert (day["value"], day["description"]) == ("2024-05-01", "Which day")
    assert day["schema"] == {"type": "string", "pattern": "^[0-9-]+$", "title": "Day"}


def test_a_pipeline_whose_image_anybody_may_choose_is_refused_with_its_line(trigger):
    trigger.wait_for_dag("anybody")
    doc = trigger.get("/dags/anybody/details")["doc_md"]
    assert "anybody.yaml:5:" in doc
    assert "stages.show.image: '{{ params.image }}' reads params.image" in doc
    assert "with an enum or a pattern from ^ to $" in doc
