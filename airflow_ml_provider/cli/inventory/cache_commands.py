"""``airflow-ml cache``: the commands; each brings what it needs when it is called."""

from __future__ import annotations

from typing import Annotated

import typer

from airflow_ml_provider.cli.options import HERE, AsJson, Pipeline, Store

app = typer.Typer(no_args_is_help=True, help="The results that are kept to be reused.", rich_markup_mode="markdown")
InAirflow = Annotated[bool, typer.Option("--airflow", help="Airflow's store, not that of runs on this machine")]


@app.command(name="list", epilog="`airflow-ml cache list` · `airflow-ml cache list --store s3://ml/artifacts`")
def cache_list(*, store: Store = None, airflow: InAirflow = False, as_json: AsJson = False) -> None:
    """List the results that are kept, and what is wrong with those that cannot be reused."""
    from airflow_ml_provider.cli.inventory import cache as command

    command.print_entries(command.store_uri(store, in_airflow=airflow), as_json=as_json)


@app.command(name="why", epilog="`airflow-ml cache why flights` · `airflow-ml cache why flights --stage train`")
def cache_why(
    *,
    pipeline: Pipeline = HERE,
    stage: Annotated[list[str] | None, typer.Option(help="Only this stage")] = None,
    store: Store = None,
    airflow: InAirflow = False,
    as_json: AsJson = False,
) -> None:
    """Say why each stage ran when it ran last, or from where its result was taken, and what that depends on."""
    from airflow_ml_provider.cli.inventory import cache as command
    from airflow_ml_provider.cli.pipelines.files import load_one

    spec = load_one(pipeline, environment=None).spec
    where = command.store_uri(store or (spec.store if airflow else None), in_airflow=airflow)
    command.print_why(where, pipeline=spec.pipeline, stages=stage or list(spec.stages), as_json=as_json)


@app.command(name="prune", epilog="`airflow-ml cache prune --dry-run` · `airflow-ml cache prune --older-than 30`")
def cache_prune(
    *,
    older_than: Annotated[int | None, typer.Option(min=0, help="Also what is older, in days")] = None,
    store: Store = None,
    airflow: InAirflow = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, remove nothing")] = False,
) -> None:
    """Remove results that cannot be reused any more. Artifacts stay where they are."""
    import datetime as dt

    from airflow_ml_provider.cli.inventory import cache as command

    age = None if older_than is None else dt.timedelta(days=older_than)
    command.prune(command.store_uri(store, in_airflow=airflow), older_than=age, dry_run=dry_run)
