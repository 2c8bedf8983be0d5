"""A model served by processes of this machine: the same pipeline as on the cluster, on the local runner."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pyarrow.parquet as pq
import pytest

from airflow_ml_provider.protocol.serving import metrics_port
from airflow_ml_provider.testing.airflow_api import wait_until
from tests.live.traffic import Traffic

DAG, NAME = "served", "line"
BODY = {"dataframe_split": {"columns": ["x"], "data": [[1.0]]}}


@pytest.fixture(scope="module")
def folder(airflow):
    found = airflow.server.home / "ml-serving" / NAME
    yield found
    for process in psutil.process_iter(["environ", "cmdline"]):
        marked = (process.info["environ"] or {}).get("AIRFLOW_ML_ENDPOINT_FOLDER") == str(found)
        if marked or str(found) in (process.info["cmdline"] or ()):
            process.kill()


def ended(airflow, run, *, state="success"):
    found = airflow.api.wait_for_run(DAG, run, seconds=240)
    assert found == state, airflow.api.log(DAG, run, "serve")


def served(folder):
    return json.loads((folder / "serving.json").read_text())["serving"]


def servers(folder):
    return [json.loads(path.read_text()) for path in sorted((folder / "servers").glob("*.json"))]


@pytest.fixture(scope="module")
def first(airflow, folder):
    run, state, _ = airflow.run(DAG, slope=2.0)
    assert state == "success", airflow.api.log(DAG, run, "serve")
    return airflow.api.xcom(DAG, run, "serve", "endpoint")


def test_the_first_model_is_served_and_what_it_was_asked_is_kept(airflow, mlflow, folder, first):
    assert served(folder)["stable"] == {"name": first["revision"], "model": NAME, "version": "1"}
    assert mlflow.aliases(NAME) == {"champion": "1"}
    answer = httpx.post(f"{first['url']}/invocations", json=BODY)
    assert answer.json() == {"predictions": [2.0]}
    server = servers(folder)[0]
    assert httpx.get(f"{first['url']}/metrics").status_code == 404
    assert "ml_requests_total" in httpx.get(f"http://127.0.0.1:{metrics_port(server['port'])}/metrics").text
    kept = airflow.store / "_requests" / NAME
    wait_until(lambda: list(kept.glob("*/*.parquet")), what="the log of requests", seconds=30)
    rows = [row for path in kept.glob("*/*.parquet") for row in pq.read_table(path).to_pylist()]
    ours = [row for row in rows if row["prediction"] == 2.0 and row["x"] == 1.0]
    assert ours
    assert {"request_id", "row", "requested_at", "model_version", "seconds", "prediction", "x"} == set(ours[0])


def test_a_better_model_takes_over_and_a_slow_one_is_put_back_without_a_lost_request(airflow, mlflow, folder, first):
    with Traffic(first["url"], body=BODY) as traffic:
        run, state, _ = airflow.run(DAG, slope=3.0)
        assert state == "success", airflow.api.log(DAG, run, "serve")
        before = traffic.answers["[3.0]"]
        wait_until(lambda: traffic.answers["[3.0]"] > before + 100, what="answers of the new model", seconds=30)
        steps = airflow.api.xcom(DAG, run, "serve", "canary")
        share = steps[0]["requests"] / (steps[0]["requests"] + steps[0]["stable_requests"])
        assert 0.1 < share < 0.5
        (old,) = {server["revision"] for server in servers(folder)}
        assert old.startswith("v2-")

        slow = airflow.api.trigger(DAG, conf={"slope": 4.0, "manner": "slow"})
        ended(airflow, slow, state="failed")
        seen = sum(traffic.answers.values())
        wait_until(lambda: sum(traffic.answers.values()) > seen + 400, what="answers after that", seconds=60)
    assert re.search(r"the guard does not hold with 30 % .*p95_seconds", airflow.api.log(DAG, slow, "serve"))
    assert traffic.lost == {}
    assert served(folder)["stable"]["version"] == "2"
    assert mlflow.aliases(NAME)["champion"] == "2"


@pytest.mark.parametrize(
    ("manner", "told"),
    [
        ("crashes", "the new servers of version . do not start: .*no weights on this machine"),
        ("wrong", r"predictions\[0\] is 6.0, the model itself gives 5.0"),
        ("fails", r"the guard does not hold with 30 % .*error_rate is [\d.]+, not < 0.01.*the answer was 500"),
    ],
)
def test_a_server_that_does_not_answer_well_is_put_back(airflow, mlflow, folder, first, manner, told):
    run = airflow.api.trigger(DAG, conf={"slope": 5.0, "manner": manner})
    ended(airflow, run, state="failed")
    log = airflow.api.log(DAG, run, "serve")
    assert re.search(told, log, re.DOTALL), log
    assert "Rolled back" in log
    assert {server["revision"][:3] for server in servers(folder)} == {"v2-"}
    assert mlflow.aliases(NAME)["champion"] == "2"


def test_a_task_that_is_marked_failed_in_the_canary_puts_back_what_served(airflow, mlflow, folder, first):
    before, aliases = served(folder), mlflow.aliases(NAME)
    run = airflow.api.trigger(DAG, conf={"slope": 6.0})
    wait_until(lambda: served(folder)["percent"] == 30, what="the canary", seconds=120)
    airflow.api.mark(DAG, run, "serve", "failed")
    wait_until(lambda: served(folder) == before, what="what served before", seconds=30)
    assert mlflow.aliases(NAME)["champion"] == aliases["champion"]
    assert {server["revision"] for server in servers(folder)} == {before["stable"]["name"]}


def test_the_command_line_shows_and_ends_what_serves_here(airflow, folder, first):
    def command(*arguments):
        return subprocess.run(
            [Path(sys.executable).parent / "airflow-ml", "endpoint", *arguments],
            env={**os.environ, "AIRFLOW_HOME": str(airflow.server.home)},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )

    (row,) = json.loads(command("list", "--json").stdout)
    assert row == {"endpoint": NAME, "url": first["url"], "role": "serves", "version": "2", "servers": 2}
    assert "http://" in command("list").stdout
    assert command("stop", "lime").stderr.strip().endswith("there is no endpoint 'lime' on this machine; there is line")
    processes = [psutil.Process(server["pid"]) for server in servers(folder)]
    assert command("stop", NAME).stdout.strip() == f"{NAME} is stopped"
    for process in processes:
        wait_until(
            lambda process=process: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE,
            what=f"the end of {process}",
            seconds=30,
        )
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{first['url']}/ping")
    assert command("list").stdout.strip() == "Nothing serves on this machine"
