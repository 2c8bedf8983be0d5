"""``python -m demo run|loop|ui|screenshot``."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

import httpx
from rich.console import Console

from airflow_ml_provider.testing.airflow_server import PASSWORD, USER
from airflow_ml_provider.testing.server_process import ServerError
from demo.loop import loop
from demo.outcome import read_outcome
from demo.progress import follow, summary
from demo.stack import ROOT, STATE, DemoError, Stack, running_stack

DAG_ID = "flight_delays"
INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run one of the demo's commands and return the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    commands = {"run": run, "loop": loop, "ui": ui, "screenshot": screenshot}
    if len(arguments) != 1 or arguments[0] not in commands:
        console.print(f"usage: python -m demo {'|'.join(commands)}")
        return 2
    try:
        started = time.monotonic()
        console.print("Starting MLflow and Airflow ...")
        with running_stack() as stack:
            console.print(f"Started in {time.monotonic() - started:.0f} s.")
            try:
                code = commands[arguments[0]](console, stack)
            finally:
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
                console.print("Stopping Airflow and MLflow ...")
    except KeyboardInterrupt:
        console.print("Interrupted; Airflow and MLflow are stopped.")
        return INTERRUPTED
    except (DemoError, ServerError, TimeoutError, httpx.HTTPError) as error:
        console.print(f"[red]demo:[/red] {error}", markup=True)
        return 1
    return code


def run(console: Console, stack: Stack) -> int:
    """Run the pipeline once and report how it went."""
    started = time.monotonic()
    run_id = run_pipeline(console, stack)
    state = follow(console, stack.api, DAG_ID, run_id)
    console.print(f"The run ended as [bold]{state}[/bold] after {time.monotonic() - started:.0f} s.\n")
    console.print(summary(stack.api, DAG_ID, run_id))
    outcome, problems = read_outcome(stack.api, stack.mlflow_url, DAG_ID, run_id)
    console.print()
    if outcome is not None:
        made = "" if outcome.created else " (the same model as before, so no new version)"
        console.print(f"Model      {outcome.model}{made}")
        console.print(f"Artifacts  {outcome.model_folder.relative_to(ROOT)}")
        console.print(f"Airflow    {stack.airflow_url}/dags/{DAG_ID}/runs/{run_id}")
        console.print(f"MLflow     {outcome.run_url}")
        console.print("           'make ui' starts both again to look around.\n")
    for problem in problems:
        console.print(f"[red]demo:[/red] {problem}")
    if problems:
        console.print(f"Logs are in {STATE.relative_to(ROOT)}/airflow.")
    return 1 if problems or state != "success" else 0


def ui(console: Console, stack: Stack) -> int:
    """Leave everything running until Ctrl-C."""
    stack.api.wait_for_dag(DAG_ID)
    console.print(f"Airflow    {stack.airflow_url}/dags/{DAG_ID}   user {USER}, password {PASSWORD}")
    console.print(f"MLflow     {stack.mlflow_url}")
    console.print("Trigger the DAG flight_delays in Airflow. Ctrl-C stops both.")
    while True:
        signal.pause()


def screenshot(console: Console, stack: Stack) -> int:
    """Run the pipeline and take the README's picture of it."""
    from demo.screenshot import take

    run_id = run_pipeline(console, stack)
    follow(console, stack.api, DAG_ID, run_id)
    for path in take(stack, dag_id=DAG_ID, run_id=run_id, folder=ROOT / "docs" / "images"):
        console.print(f"Wrote {path.relative_to(ROOT)}")
    return 0


def run_pipeline(console: Console, stack: Stack) -> str:
    """Trigger the pipeline through Airflow's REST API and return the run's id."""
    stack.api.wait_for_dag(DAG_ID)
    run_id = stack.api.trigger(DAG_ID)
    console.print(f"Running {DAG_ID} (example_dags/flight_delays/pipeline.yaml) as {run_id}")
    return run_id


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
