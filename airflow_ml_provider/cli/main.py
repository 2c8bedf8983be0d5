"""``airflow-ml``: check pipeline files before Airflow loads them."""

from __future__ import annotations

import json
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
