"""``airflow-ml reap``: what tasks left behind, found with the states in Airflow's database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import typer
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_ml_provider.operators.reaping import leftovers


def reap(
    *,
    namespace: str | None,
    connection: str,
    mlflow_connection: str | None,
    older_than: dt.timedelta,
    unknown_runs: bool,
    dry_run: bool,
) -> int:
    """Say what is left behind and why, remove it unless it is a dry run, and return how much it was."""
    count = 0
    for leftover in leftovers(
        task_states,
        namespace=namespace,
        kubernetes_conn_id=connection,
        mlflow_conn_id=mlflow_connection,
        older_than=older_than,
        unknown_runs=unknown_runs,
    ):
        count += 1
        typer.echo(f"{'would remove' if dry_run else 'remove'} {leftover.name}: {leftover.reason}")
        if not dry_run:
            leftover.remove()
    typer.echo("nothing is left behind" if not count else f"{count} {'found' if dry_run else 'removed'}")
    return count


def task_states(dag_id: str, run_id: str) -> Mapping[str, str | None]:
    """Return the states of a DagRun's tasks from Airflow's database."""
    wanted = select(TaskInstance.task_id, TaskInstance.map_index, TaskInstance.state).where(
        TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id
    )
    with create_session() as session:
        return {
            task if index < 0 else f"{task}_{index}": None if state is None else str(state)
            for task, index, state in session.execute(wanted)
        }
