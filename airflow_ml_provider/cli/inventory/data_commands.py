"""``airflow-ml data``: the commands; each brings what it needs when it is called."""

from __future__ import annotations

from typing import Annotated

import typer

from airflow_ml_provider.cli.options import HERE, AsJson, Environment, Pipeline, Store

app = typer.Typer(no_args_is_help=True, help="Which run was given which new data.", rich_markup_mode="markdown")


@app.command(name="status", epilog="`airflow-ml data status flights` · `airflow-ml data status flights --json`")
def data_status(
    *,
    pipeline: Pipeline = HERE,
    env: Environment = None,
    source: Annotated[list[str] | None, typer.Option(help="Only this source")] = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Say what is new in the sources of a pipeline, and which runs hold what is not done yet."""
    from airflow_ml_provider.cli.inventory import data as command
    from airflow_ml_provider.cli.pipelines.files import load_one

    loaded = load_one(pipeline, environment=env)
    command.print_status(loaded, sources=source or list(loaded.spec.sources), store=store, as_json=as_json)


@app.command(name="release", epilog="`airflow-ml data release flights --source flights --claim 7`")
def data_release(
    *,
    pipeline: Pipeline = HERE,
    env: Environment = None,
    source: Annotated[str, typer.Option(help="The source")],
    claim: Annotated[int, typer.Option(min=1, help="The number that `status` says")],
    store: Store = None,
) -> None:
    """Give back what a failed run was given: the next run gets it, and the failed one cannot go on."""
    from airflow_ml_provider.cli.inventory import data as command
    from airflow_ml_provider.cli.pipelines.files import load_one

    command.release(load_one(pipeline, environment=env), source, claim, store=store)


@app.command(name="replay", epilog="`airflow-ml data replay flights --source flights --partition 2013-01`")
def data_replay(
    *,
    pipeline: Pipeline = HERE,
    env: Environment = None,
    source: Annotated[str, typer.Option(help="The source")],
    claim: Annotated[list[int] | None, typer.Option(min=1, help="What the run of this claim was given")] = None,
    partition: Annotated[str | None, typer.Option(help="All that was given of this partition")] = None,
    store: Store = None,
) -> None:
    """Make what runs were given new again: the next run gets it. What those runs made stays as it is."""
    from airflow_ml_provider.cli.inventory import data as command
    from airflow_ml_provider.cli.pipelines.files import fail, load_one

    if bool(claim) == (partition is not None):
        fail("give either --claim or --partition; 'airflow-ml data status' says both")
    loaded = load_one(pipeline, environment=env)
    command.replay(loaded, source, claims=claim or [], partition=partition, store=store)


@app.command(name="reset", epilog="`airflow-ml data reset flights --source flights --skip-existing`")
def data_reset(
    *,
    pipeline: Pipeline = HERE,
    env: Environment = None,
    source: Annotated[str, typer.Option(help="The source")],
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="What is there now counts as given: only what comes later is new")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    store: Store = None,
) -> None:
    """Begin a source anew: all that is there is new again, or none of it."""
    from airflow_ml_provider.cli.inventory import data as command
    from airflow_ml_provider.cli.pipelines.files import load_one

    loaded = load_one(pipeline, environment=env)
    command.reset(loaded, source, skip_existing=skip_existing, sure=yes, store=store)
