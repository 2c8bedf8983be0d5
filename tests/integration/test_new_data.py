"""New files start a pipeline in a real Airflow; each goes to one run that succeeds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_ml_provider.protocol.manifest import from_lines
from airflow_ml_provider.testing.airflow_api import wait_until

AIRFLOW_ML = str(Path(sys.executable).parent / "airflow-ml")
DAG = "fresh"


@pytest.fixture(scope="module")
def folder(dags_folder):
    made = dags_folder / "cases" / DAG
    (made / "data").mkdir()
    return made


@pytest.fixture
def data(airflow, folder):
    """``airflow-ml data``."""

    def run(*arguments):
        return subprocess.run(
            [AIRFLOW_ML, "data", arguments[0], str(folder), *arguments[1:]],
            env={**os.environ, **airflow.server.environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def status(data):
    return lambda: json.loads(data("status", "--json").stdout)["numbers"]


def write(folder, **numbers):
    for name, number in numbers.items():
        part = folder / "data" / f".{name}"
        part.write_text(str(number))
        part.rename(folder / "data" / f"{name}.csv")


def runs(airflow):
    return {run["dag_run_id"]: run["state"] for run in airflow.api.get(f"/dags/{DAG}/dagRuns", limit=100)["dag_runs"]}


def given(airflow, run_id):
    """Return the names of what a run was given, and how many claims it could have had: one."""
    ref = airflow.api.xcom(DAG, run_id, "sources.numbers", "manifest")
    if ref is None:
        return []
    return sorted(Path(found.uri).stem for found in from_lines(Path(ref["uri"].removeprefix("file://")).read_bytes()))


def who_got(airflow, name, state):
    return [run for run, seen in runs(airflow).items() if seen == state and name in given(airflow, run)]


def wait_for(airflow, name, state="success"):
    wait_until(lambda: who_got(airflow, name, state), what=f"a run that ends as {state} with {name}", seconds=120)
    (run,) = who_got(airflow, name, state)
    return run


def break_code(folder, broken):
    code = folder / "steps" / "stages.py"
    code.write_text(code.read_text().replace(f"BROKEN = {not broken}", f"BROKEN = {broken}"))


def test_new_files_start_a_run_that_gets_them_alone(airflow, folder, mlflow, status):
    airflow.api.wait_for_dag(DAG)
    write(folder, a=1, b=2)
    first = wait_for(airflow, "a")
    assert given(airflow, first) == ["a", "b"]
    assert airflow.api.xcom(DAG, first, "sum", "metrics") == {"total": 3}
    assert airflow.api.xcom(DAG, first, "sources.numbers", "metrics") == {"objects": 2, "bytes": 2}
    claim = airflow.api.xcom(DAG, first, "sources.numbers", "claim")
    assert (claim["number"], claim["objects"], claim["bytes"]) == (1, 2, 2)
    assert "Claim of source numbers: number 1, objects 2, bytes 2, oldest 2" in airflow.api.log(
        DAG, first, "sources.numbers"
    )
    assert mlflow.runs(DAG, first)["stage"]["sources.numbers"].metrics == {"objects": 2, "bytes": 2}
    write(folder, c=4)
    second = wait_for(airflow, "c")
    assert given(airflow, second) == ["c"]
    assert airflow.api.xcom(DAG, second, "sum", "metrics") == {"total": 4}
    assert status()["open"] == []
    # An event a batch: no run came for nothing.
    assert runs(airflow) == {first: "success", second: "success"}


def test_a_new_version_of_a_file_is_new(airflow, folder):
    write(folder, a=10)
    wait_until(lambda: len(who_got(airflow, "a", "success")) == 2, what="a run with the new version", seconds=120)


def test_a_run_without_new_data_is_skipped(airflow):
    run_id, state, states = airflow.run(DAG)
    assert state == "success"
    assert set(states.values()) == {"skipped", "success"}
    assert (states["sources.numbers"], states["sum"], states["commit"]) == ("skipped", "skipped", "skipped")
    assert "nothing is new in" in airflow.api.log(DAG, run_id, "sources.numbers")


def test_a_failed_run_keeps_its_data_until_it_is_cleared(airflow, folder, status):
    break_code(folder, True)
    write(folder, d=8)
    failed = wait_for(airflow, "d", "failed")
    (held,) = status()["open"]
    assert (held["run"], held["objects"]) == (failed, 1)
    break_code(folder, False)
    # Another run does not get it.
    _, _, states = airflow.run(DAG)
    assert states["sources.numbers"] == "skipped"
    airflow.api.clear(DAG, failed, "sum", "commit")
    assert airflow.api.wait_for_run(DAG, failed) == "success"
    assert who_got(airflow, "d", "success") == [failed]
    assert status()["open"] == []


def test_what_is_released_goes_to_another_run_and_the_old_one_cannot_go_on(airflow, folder, data, status):
    break_code(folder, True)
    write(folder, e=16)
    failed = wait_for(airflow, "e", "failed")
    (held,) = status()["open"]
    break_code(folder, False)
    done = data("release", "--source", "numbers", "--claim", str(held["number"]))
    assert f"1 objects of run {failed} are new again" in done.stdout
    again = wait_for(airflow, "e")
    assert again != failed
    airflow.api.clear(DAG, failed, "sources.numbers", "sum", "commit")
    assert airflow.api.wait_for_run(DAG, failed) == "failed"
    log = airflow.api.log(DAG, failed, "sources.numbers", try_number=2)
    assert f"claim {held['number']} of run {failed} was released (by " in log
    refused = data("release", "--source", "numbers", "--claim", "1")
    assert (refused.returncode, "is committed" in refused.stderr) == (2, True)


def test_a_run_whose_tasks_are_marked_as_success_is_committed_by_the_next_look(airflow, folder, status):
    break_code(folder, True)
    write(folder, h=128)
    failed = wait_for(airflow, "h", "failed")
    break_code(folder, False)
    for task in ("sum", "commit"):
        airflow.api.mark(DAG, failed, task, "success")
    assert airflow.api.wait_for_run(DAG, failed) == "success"
    assert [claim["run"] for claim in status()["open"]] == [failed]
    run_id, _, states = airflow.run(DAG)
    assert states["sources.numbers"] == "skipped"
    assert status()["open"] == [], airflow.api.log(DAG, run_id, "sources.numbers")


def test_what_a_run_was_given_that_airflow_forgot_is_not_lost(airflow, folder, data, status):
    """As after the loss of Airflow's database."""
    break_code(folder, True)
    write(folder, i=256)
    failed = wait_for(airflow, "i", "failed")
    break_code(folder, False)
    airflow.api.delete(f"/dags/{DAG}/dagRuns/{failed}")
    run_id, _, states = airflow.run(DAG)
    assert states["sources.numbers"] == "skipped"
    log = airflow.api.log(DAG, run_id, "sources.numbers")
    assert f"belongs to run {failed}, which Airflow does not know" in log
    (held,) = status()["open"]
    assert held["run"] == failed
    data("release", "--source", "numbers", "--claim", str(held["number"]))
    assert wait_for(airflow, "i") != failed


def test_a_cleared_run_gets_what_it_had(airflow, folder):
    run = wait_for(airflow, "c")
    airflow.api.clear(DAG, run, "sources.numbers", "sum", "commit")
    assert airflow.api.wait_for_run(DAG, run) == "success"
    assert given(airflow, run) == ["c"]


def test_a_paused_pipeline_catches_up(airflow, folder):
    airflow.api.pause(DAG)
    write(folder, f=32)
    write(folder, g=64)
    airflow.api.pause(DAG, paused=False)
    run = wait_for(airflow, "f")
    assert "g" in given(airflow, run) or wait_for(airflow, "g")
