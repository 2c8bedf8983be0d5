"""Live progress of a run in the terminal."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from airflow_ml_provider.testing.airflow_api import FINAL_STATES, AirflowApi

STAGES = {
    "ingest": "files",
    "check": "expectations_met",
    "features": "train_rows",
    "train": "train_rmse",
    "evaluate": "rmse",
    "register": "version",
    "finish": None,
}
RUN_SECONDS = 600
_STYLES = {"success": "green", "failed": "red", "upstream_failed": "red", "running": "cyan"}


def follow(console: Console, api: AirflowApi, dag_id: str, run_id: str) -> str:
    """Show every stage, its state and its time until the run ends; returns the run's state.

    Raises:
        TimeoutError: The run takes over ten minutes.
    """
    deadline = time.monotonic() + RUN_SECONDS
    shown: dict[str, str] = {}
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while time.monotonic() < deadline:
            state = api.run_state(dag_id, run_id)
            tasks = api.tasks(dag_id, run_id)
            if console.is_terminal:
                live.update(_table(tasks))
            else:
                _print_changes(console, tasks, shown)
            if state in FINAL_STATES:
                return state
            time.sleep(0.5)
    raise TimeoutError(f"the run still goes on after {RUN_SECONDS} s")


def summary(api: AirflowApi, dag_id: str, run_id: str) -> Table:
    """Return the table at the end: stage, state, seconds, main metric."""
    tasks = api.tasks(dag_id, run_id)
    table = _columns("main metric")
    for name, metric in STAGES.items():
        metrics = api.xcom(dag_id, run_id, name, "metrics") or {}
        value = f"{metric} {metrics[metric]:,.4g}" if metric in metrics and metrics[metric] < 1e4 else ""
        if metric in metrics and not value:
            value = f"{metric} {metrics[metric]:,.0f}"
        if name == "evaluate" and "baseline_rmse" in metrics:
            value += f" minutes (naive forecast: {metrics['baseline_rmse']:.4g})"
        table.add_row(name, *_state(tasks[name]), value)
    return table


def _table(tasks: dict[str, dict[str, Any]]) -> Table:
    table = _columns()
    for name in STAGES:
        if name in tasks:
            table.add_row(name, *_state(tasks[name]))
    return table


def _columns(*more: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    table.add_column("state")
    table.add_column("seconds", justify="right")
    for name in more:
        table.add_column(name)
    return table


def _state(task: dict[str, Any]) -> tuple[str, str]:
    state = task["state"] or "waiting"
    style = _STYLES.get(state, "dim")
    return f"[{style}]{state}[/{style}]", _seconds(task)


def _seconds(task: dict[str, Any]) -> str:
    if task["start_date"] is None:
        return ""
    if task["duration"] is not None and task["end_date"] is not None:
        return f"{task['duration']:.1f}"
    started = datetime.fromisoformat(task["start_date"])
    return f"{(datetime.now(UTC) - started).total_seconds():.0f}"


def _print_changes(console: Console, tasks: dict[str, dict[str, Any]], shown: dict[str, str]) -> None:
    for name in STAGES:
        state = tasks[name]["state"] if name in tasks else None
        if state in ("running", *FINAL_STATES, "upstream_failed", "skipped") and shown.get(name) != state:
            shown[name] = state
            took = "" if state == "running" else f"  {_seconds(tasks[name])} s"
            console.print(f"  {name:<10} {state}{took}", highlight=False)
