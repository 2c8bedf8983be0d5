"""``airflow-ml endpoint``: the commands; each brings what it needs when it is called."""

from __future__ import annotations

from typing import Annotated

import typer

from airflow_ml_provider.cli.options import AsJson

app = typer.Typer(no_args_is_help=True, help="Endpoints that serve on this machine.", rich_markup_mode="markdown")


@app.command(name="list", epilog="`airflow-ml endpoint list --json`")
def endpoint_list(*, as_json: AsJson = False) -> None:
    """Show the endpoints of this machine, and what each serves."""
    from airflow_ml_provider.cli.inventory import endpoint as command

    command.print_endpoints(as_json=as_json)


@app.command(name="stop", epilog="`airflow-ml endpoint stop flight-delays`")
def endpoint_stop(*, name: Annotated[str, typer.Argument(help="The endpoint")]) -> None:
    """End the servers of an endpoint of this machine."""
    from airflow_ml_provider.cli.inventory import endpoint as command

    command.stop(name)
