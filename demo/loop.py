"""The whole loop, shown line by line: a first champion, a quiet month, a drifted one, a retraining, a new champion."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from rich.console import Console

from airflow_ml_provider.decisions.serving.rollout import Serving
from airflow_ml_provider.serving.local_target import LocalTarget, ServerCommand
from airflow_ml_provider.testing.airflow_api import FINAL_STATES
from demo.stack import STATE, DemoError, Stack

LOOP, WATCH, ENDPOINT = "flight_loop", "flight_watch", "flight-loop"
DATA = "flight_delays/data/flights-2013-"
FLIGHT = {
    "carrier": "UA",
    "origin": "EWR",
    "dest": "ORD",
    "dep_delay": 20.0,
    "distance": 719.0,
    "weekday": 4.0,
    "dep_minute": 745.0,
    "scheduled_minutes": 160.0,
}
QUESTION_SECONDS = 5.0
"""How long Airflow's scheduler may take to see that a task asks."""
LONGEST_SECONDS = 600.0


def loop(console: Console, stack: Stack) -> int:
    """Go round once; returns the exit code."""
    for dag in (LOOP, WATCH):
        stack.api.wait_for_dag(dag)
    _forget(stack)
    with _servers_end():
        console.print("\n[bold]1. A model of January to March[/bold]: tuned, evaluated, approved, served")
        first = stack.api.trigger(LOOP, conf={"data": f"{DATA}0[1-3].csv"})
        url = _served(console, stack, first)
        console.print("\n[bold]2. April arrives[/bold], and is like what the model knows")
        _watched(console, stack, "04")
        console.print("\n[bold]3. July arrives[/bold]: summer, with other delays and other schedules")
        before = set(_runs(stack))
        _watched(console, stack, "07")
        console.print("\n[bold]4. A retraining starts by itself[/bold], on January to July")
        deadline = time.monotonic() + LONGEST_SECONDS
        while not (started := set(_runs(stack)) - before):
            if time.monotonic() > deadline:
                raise DemoError(f"no run of {LOOP} started by itself")
            time.sleep(0.5)
        _served(console, stack, started.pop())
        console.print(
            f"\nThe new champion serves at {url}. The pages of both runs: {stack.airflow_url}/dags/{LOOP}/runs"
        )
    return 0


def _forget(stack: Stack) -> None:
    """Begin anew: no champion and no alarm of an earlier round."""
    (STATE / "artifacts" / WATCH / "_alarms" / "monitor.json").unlink(missing_ok=True)
    address = f"{stack.mlflow_url}/api/2.0/mlflow/registered-models/alias"
    httpx.request("DELETE", address, json={"name": LOOP, "alias": "champion"})


def _served(console: Console, stack: Stack, run: str) -> str:
    """Say yes when a run asks, wait for its end, and ask the endpoint; returns its address."""
    deadline, answered = time.monotonic() + LONGEST_SECONDS, False
    told: set[str] = set()
    while (state := stack.api.run_state(LOOP, run)) not in FINAL_STATES:
        if time.monotonic() > deadline:
            raise DemoError(f"run {run} still goes on after {LONGEST_SECONDS:.0f} s")
        tasks = stack.api.tasks(LOOP, run)
        for name, task in tasks.items():
            if name not in told and task["state"] in ("running", "awaiting_input", *FINAL_STATES):
                told.add(name)
                console.print(f"   {name}")
        if not answered and tasks["approve"]["state"] == "awaiting_input":
            time.sleep(QUESTION_SECONDS)
            _approve(stack, run)
            answered = True
            console.print("   ... somebody says yes")
        time.sleep(0.5)
    if state != "success":
        raise DemoError(f"run {run} ended as {state}; see {stack.airflow_url}/dags/{LOOP}/runs/{run}")
    endpoint = stack.api.xcom(LOOP, run, "serve", "endpoint")
    metrics = stack.api.xcom(LOOP, run, "evaluate", "metrics")
    answer = httpx.post(f"{endpoint['url']}/invocations", json={"dataframe_records": [FLIGHT]}).json()
    adjacent = f", the champion's {metrics['champion_rmse']:.2f}" if "champion_rmse" in metrics else ""
    console.print(f"   version {endpoint['version']} is champion: error {metrics['rmse']:.2f} minutes{adjacent}")
    console.print(
        f"   a flight that leaves 20 minutes late makes up {-answer['predictions'][0]:.1f} minutes on the way"
    )
    return str(endpoint["url"])


def _watched(console: Console, stack: Stack, month: str) -> None:
    run = stack.api.trigger(WATCH, conf={"lately": f"{DATA}{month}.csv"})
    if stack.api.wait_for_run(WATCH, run) != "success":
        raise DemoError(f"run {run} of {WATCH} failed; see {stack.airflow_url}/dags/{WATCH}/runs/{run}")
    drift = stack.api.xcom(WATCH, run, "monitor", "drift")
    alarm = stack.api.xcom(WATCH, run, "monitor", "alarm")
    shown = ", ".join(f"{column} ({drift['scores'][column]:.2f})" for column in drift["drifted"])
    console.print(f"   drifted: {shown or 'nothing'}; {'an event is emitted' if alarm['told'] else 'no event'}")


def _approve(stack: Stack, run: str) -> None:
    address = f"{stack.airflow_url}/api/v2/dags/{LOOP}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
    body = {"chosen_options": ["Approve"], "params_input": {"reason": "make loop"}}
    httpx.patch(address, json=body, headers=stack.api.headers).raise_for_status()


def _runs(stack: Stack) -> list[str]:
    return [run["dag_run_id"] for run in stack.api.get(f"/dags/{LOOP}/dagRuns")["dag_runs"]]


@contextmanager
def _servers_end() -> Iterator[None]:
    """End what serves."""
    try:
        yield
    finally:
        target = LocalTarget(STATE / "airflow" / "ml-serving" / ENDPOINT, port=0, command=_none)
        if target.read() != Serving():
            target.write(Serving())
            target.remove_others()


def _none(*_: object) -> ServerCommand:
    raise AssertionError("nothing is started here")
