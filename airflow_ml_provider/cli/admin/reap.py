"""``airflow-ml reap``: what tasks left behind, found with the states in Airflow's database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import typer
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_ml_provider.cleanup.reaping import leftovers
from airflow_ml_provider.decisions.pods.leftover import Owner


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


def task_states(owner: Owner) -> Collection[str | None]:
    """Return the states of an owner's task instances from Airflow's database."""
    wanted = select(TaskInstance.state).where(TaskInstance.dag_id == owner.dag_id, TaskInstance.run_id == owner.run_id)
    if owner.task_id:
        wanted = wanted.where(TaskInstance.task_id == owner.task_id)
    if owner.map_index >= 0:
        wanted = wanted.where(TaskInstance.map_index == owner.map_index)
    with create_session() as session:
        return [None if state is None else str(state) for state in session.scalars(wanted)]
