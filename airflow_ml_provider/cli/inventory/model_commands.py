"""``airflow-ml model``: the commands; each brings what it needs when it is called."""

from __future__ import annotations

from typing import Annotated

import typer

from airflow_ml_provider.cli.options import AsJson

app = typer.Typer(
    no_args_is_help=True,
    help="Registered models: which is champion, which was, and back again.",
    rich_markup_mode="markdown",
)

Name = Annotated[str, typer.Argument(help="The registered model")]
Connection = Annotated[str, typer.Option("--connection", help="Airflow connection of type mlflow")]
MLFLOW = "mlflow_default"


@app.command(name="list", epilog="`airflow-ml model list` · `airflow-ml model list flight_delays --json`")
def model_list(
    *,
    name: Annotated[str | None, typer.Argument(help="The versions of this model; default: all models")] = None,
    connection: Connection = MLFLOW,
    as_json: AsJson = False,
) -> None:
    """Show all models with their champions, or the versions of one."""
    from airflow_ml_provider.cli.inventory import model as command

    command.print_models(name, connection=connection, as_json=as_json)


@app.command(name="history", epilog="`airflow-ml model history flight_delays`")
def model_history(*, name: Name, connection: Connection = MLFLOW, as_json: AsJson = False) -> None:
    """Show which version became champion when, and by whom."""
    from airflow_ml_provider.cli.inventory import model as command

    command.print_history(name, connection=connection, as_json=as_json)


@app.command(name="promote", epilog="`airflow-ml model promote flight_delays 7`")
def model_promote(
    *, name: Name, version: Annotated[str, typer.Argument(help="The version")], connection: Connection = MLFLOW
) -> None:
    """Make a version champion, whatever gates and approvals said."""
    from airflow_ml_provider.cli.inventory import model as command

    command.promote(name, version, connection=connection)


@app.command(name="rollback", epilog="`airflow-ml model rollback flight_delays`")
def model_rollback(*, name: Name, connection: Connection = MLFLOW) -> None:
    """Make the version champion again that was it before the one that is now."""
    from airflow_ml_provider.cli.inventory import model as command

    command.rollback(name, connection=connection)
