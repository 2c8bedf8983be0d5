"""Sources in a real Airflow: partitions and backfill, rows of a real Postgres, a model's alias, an asset."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_ml_provider.testing.airflow_api import wait_until

AIRFLOW_ML = str(Path(sys.executable).parent / "airflow-ml")


def runs(airflow, dag):
    return airflow.api.get(f"/dags/{dag}/dagRuns", limit=100, order_by="run_after")["dag_runs"]


def claim(airflow, dag, run_id, source):
    return airflow.api.xcom(dag, run_id, f"sources.{source}", "claim")


def claims(airflow, dag, source):
    """What each run was given, in the order of the claims."""
    found = [claim(airflow, dag, run["dag_run_id"], source) for run in runs(airflow, dag) if run["state"] == "success"]
    return sorted((told for told in found if told), key=lambda told: told["number"])


def wait_for_claims(airflow, dag, source, count):
    wait_until(lambda: len(claims(airflow, dag, source)) >= count, what=f"run {count} of {dag} with data", seconds=120)
    found = claims(airflow, dag, source)
    assert len(found) == count
    return found


def copied(airflow, dag, run_id, stage):
    ref = airflow.api.xcom(dag, run_id, stage, "copy")
    return Path(ref["uri"].removeprefix("file://")).read_text()


def last_copy(airflow, dag, stage, source):
    done = [run["dag_run_id"] for run in runs(airflow, dag) if run["state"] == "success"]
    given = {run_id: told["number"] for run_id in done if (told := claim(airflow, dag, run_id, source))}
    return copied(airflow, dag, max(given, key=given.__getitem__), stage)


def data(airflow, folder, *arguments):
    return subprocess.run(
        [AIRFLOW_ML, "data", arguments[0], str(folder), *arguments[1:]],
        env={**os.environ, **airflow.server.environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def months(dags_folder):
    """Write the files of a month; the marker comes last."""
    folder = dags_folder / "cases" / "monthly"

    def write(month, *, done=True, **numbers):
        of_month = folder / "data" / month.replace("-", "/")
        of_month.mkdir(parents=True, exist_ok=True)
        for name, number in numbers.items():
            (of_month / f"{name}.csv").write_text(str(number))
        if done:
            (of_month / "_DONE").touch()

    write.folder = folder
    return write


def test_a_backfill_gives_each_run_its_month(airflow, months):
    airflow.api.wait_for_dag("monthly")
    months("2013-01", a=1, b=2)
    months("2013-02", a=4)
    months("2013-03", a=8, done=False)
    body = {"from_date": "2013-01-01T00:00:00Z", "to_date": "2013-03-01T00:00:00Z", "max_active_runs": 2}
    made = airflow.api.post("/backfills", {"dag_id": "monthly", "dag_run_conf": {}, **body})
    of_backfill = lambda: [run for run in runs(airflow, "monthly") if run["run_type"] == "backfill"]  # noqa: E731
    wait_until(
        lambda: len(of_backfill()) == 3 and all(run["state"] == "success" for run in of_backfill()),
        what=f"the runs of backfill {made['id']}",
        seconds=180,
    )
    totals = {
        run["partition_key"]: airflow.api.xcom("monthly", run["dag_run_id"], "sum", "metrics") for run in of_backfill()
    }
    # No marker says that March has come to its end.
    assert totals == {"2013-01": {"total": 3}, "2013-02": {"total": 4}, "2013-03": None}
    given = {told["partition"]: told["objects"] for told in claims(airflow, "monthly", "numbers")}
    assert given == {"2013-01": 2, "2013-02": 1}


def run_month(airflow, month):
    run_id = airflow.api.trigger("monthly", partition_key=month)
    state = airflow.api.wait_for_run("monthly", run_id)
    return state, claim(airflow, "monthly", run_id, "numbers"), airflow.api.log("monthly", run_id, "sources.numbers")


def test_what_comes_late_is_given_to_a_run_of_its_month_alone(airflow, months):
    months("2013-01", late=16)
    months("2013-03", a=8)
    _, told, _ = run_month(airflow, "2013-01")
    assert (told["partition"], told["objects"]) == ("2013-01", 1)
    _, told, log = run_month(airflow, "2013-01")
    assert told is None
    assert "nothing is new in" in log
    assert "partition 2013-01; airflow-ml data replay makes" in log


def test_a_month_has_one_run_at_once(airflow, months):
    months("2013-04", bad="none")
    state, told, _ = run_month(airflow, "2013-04")
    assert (state, told["objects"]) == ("failed", 1)
    months("2013-04", late=1)
    state, told, log = run_month(airflow, "2013-04")
    assert told is None
    assert "1 are of a partition that another run has" in log
    status = data(airflow, months.folder, "status")
    assert "1 wait for a run of their partition" in status
    assert "1 objects of partition 2013-04" in status


def test_a_run_waits_for_its_month_while_another_works_on_it(airflow, months, tmp_path):
    gate = tmp_path / "gate"
    months("2013-05", a=f"1 {gate}")
    first = airflow.api.trigger("monthly", partition_key="2013-05")
    stages = lambda run_id: airflow.api.tasks("monthly", run_id)  # noqa: E731
    wait_until(lambda: stages(first)["sum"]["state"] == "running", what="the first run's work", seconds=90)
    months("2013-05", late=2)
    second = airflow.api.trigger("monthly", partition_key="2013-05")
    waits = lambda: stages(second)["sources.numbers"]["state"] == "up_for_reschedule"  # noqa: E731
    wait_until(waits, what="the second run to wait", seconds=90)
    gate.touch()
    assert [airflow.api.wait_for_run("monthly", run_id) for run_id in (first, second)] == ["success", "success"]
    assert claim(airflow, "monthly", second, "numbers")["objects"] == 1
    assert airflow.api.xcom("monthly", second, "sum", "metrics") == {"total": 2}


def test_a_replay_gives_a_month_again(airflow, months):
    told = data(airflow, months.folder, "replay", "--source", "numbers", "--partition", "2013-01")
    assert told.startswith("3 objects of 2 claims are new again")
    state, again, _ = run_month(airflow, "2013-01")
    assert (state, again["objects"]) == ("success", 3)
    assert run_month(airflow, "2013-01")[1] is None


def test_rows_are_given_once_a_version(airflow, postgres):
    postgres.run("CREATE TABLE orders (id int, amount numeric, changed timestamptz, region text, note text)")
    insert = "INSERT INTO orders VALUES (%s, %s, now() - %s * interval '1 second', %s, %s)"
    postgres.run(insert, 1, "9.50", 60, "north", None)
    postgres.run(insert, 2, "3.00", 60, "south", None)
    postgres.run(insert, 3, "7.00", 60, "south", "test only")
    airflow.api.wait_for_dag("orders")
    wait_for_claims(airflow, "orders", "orders", 1)
    rows = list(csv.DictReader(last_copy(airflow, "orders", "count", "orders").splitlines()))
    assert [(row["id"], row["amount"], row["region"]) for row in rows] == [
        ("1", "9.50", "north"),
        ("2", "3.00", "south"),
    ]
    # A changed row is new, and so is one that becomes visible late with an old time.
    postgres.run("UPDATE orders SET amount = 10, changed = now() - interval '2 seconds' WHERE id = 1")
    postgres.run(insert, 4, "1.00", 600, "north", None)
    wait_until(
        lambda: sum(told["objects"] for told in claims(airflow, "orders", "orders")) >= 4,
        what="both rows",
        seconds=120,
    )
    assert sum(told["objects"] for told in claims(airflow, "orders", "orders")) == 4


def test_an_alias_that_moves_starts_a_run_also_back(airflow, mlflow):
    mlflow.call("POST", "registered-models/create", json={"name": "moving"})
    for number in (1, 2):
        body = {"name": "moving", "source": f"s3://nowhere/{number}"}
        mlflow.call("POST", "model-versions/create", json=body)
    airflow.api.wait_for_dag("champion_moved")
    for count, version in enumerate(("1", "2", "1"), start=1):
        mlflow.call("POST", "registered-models/alias", json={"name": "moving", "alias": "champion", "version": version})
        wait_for_claims(airflow, "champion_moved", "champion", count)
        told = json.loads(last_copy(airflow, "champion_moved", "show", "champion"))
        assert (told["name"], told["version"], told["alias"]) == ("moving", version, "champion")


def test_events_of_an_asset_start_a_run_a_partition(airflow):
    airflow.api.wait_for_dag("lake")
    run_id, state, _ = airflow.run("lake_writer", days=["monday", "tuesday"])
    assert state == "success", airflow.api.log("lake_writer", run_id, "write")
    told = wait_for_claims(airflow, "lake", "lake", 2)
    assert [(each["partition"], each["objects"]) for each in sorted(told, key=lambda each: each["partition"])] == [
        ("monday", 1),
        ("tuesday", 1),
    ]
    event = json.loads(last_copy(airflow, "lake", "show", "lake"))
    assert (event["asset"], event["extra"], event["source_dag_id"]) == ("lake_table", {"rows": 10}, "lake_writer")
