"""``airflow-ml``: check pipeline files before Airflow loads them."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from airflow_ml_provider.cli.manifests import manifests as manifests_of
from airflow_ml_provider.spec.load import load_pipeline
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.problems import SpecError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Machine-learning pipelines in Airflow.")


@app.command()
def validate(files: Annotated[list[Path], typer.Argument(help="Pipeline files (YAML)")]) -> None:
    """Check pipeline files: every mistake of every file, with line and column."""
    mistakes = 0
    for file in files:
        try:
            spec = load_pipeline(file)
        except SpecError as error:
            mistakes += len(error.problems)
            typer.echo(str(error), err=True)
        else:
            typer.echo(f"{file}: {spec.pipeline}, {len(spec.stages)} stages, no mistakes")
    if mistakes:
        typer.echo(f"{mistakes} mistake{'s' if mistakes > 1 else ''}", err=True)
        raise typer.Exit(1)


@app.command()
def schema() -> None:
    """Print the JSON Schema of pipeline files, for completion in editors."""
    typer.echo(json.dumps(PipelineSpec.model_json_schema(), indent=2))


@app.command()
def manifests(
    namespace: Annotated[str, typer.Option(help="Where stages run")],
    account: Annotated[str, typer.Option(help="ServiceAccount of Airflow's workers and triggerers")] = "airflow",
    account_namespace: Annotated[str, typer.Option(help="Its namespace; default: that of the stages")] = "",
    pods: Annotated[int | None, typer.Option(min=1, help="How many pods the namespace may hold")] = None,
) -> None:
    """Print what Airflow needs in a namespace: kubectl apply -f - takes it."""
    typer.echo(manifests_of(namespace, account=account, account_namespace=account_namespace or namespace, pods=pods))


@app.command()
def reap(
    *,
    namespace: Annotated[str | None, typer.Option(help="Where stages run; default: [ml] namespace")] = None,
    connection: Annotated[str, typer.Option(help="Airflow connection of type kubernetes")] = "kubernetes_default",
    mlflow_connection: Annotated[str, typer.Option(help="Airflow connection of type mlflow")] = "mlflow_default",
    no_mlflow: Annotated[bool, typer.Option("--no-mlflow", help="Leave MLflow runs alone")] = False,
    older_than: Annotated[int, typer.Option(min=0, help="Leave alone what is younger, in minutes")] = 10,
    unknown_runs: Annotated[
        bool, typer.Option("--unknown-runs", help="Also what belongs to runs that this Airflow does not know")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, remove nothing")] = False,
) -> None:
    """Remove the pods and close the MLflow runs that tasks left behind; runs where Airflow's database is reached."""
    # Connections come from the database too, as in Airflow's own commands; workers may not look there.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    # Not imported with the command line: Airflow's models take seconds.
    from airflow_ml_provider.cli import reap as reaping

    reaping.reap(
        namespace=namespace,
        connection=connection,
        mlflow_connection=None if no_mlflow else mlflow_connection,
        older_than=timedelta(minutes=older_than),
        unknown_runs=unknown_runs,
        dry_run=dry_run,
    )
