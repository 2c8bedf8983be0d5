"""``airflow ml ...``: the same command line as ``airflow-ml``, within Airflow's own.

Airflow imports this module at each of its commands: it holds names only.
"""

from __future__ import annotations

import argparse
import sys

from airflow.cli.cli_config import ActionCommand, Arg, lazy_load_command


def commands() -> list[ActionCommand]:
    """Return Airflow's command ``ml``."""
    arguments = Arg(  # type: ignore[no-untyped-call]
        ("arguments",),
        nargs=argparse.REMAINDER,
        help="A command of airflow-ml and its arguments, such as: validate dags/",
    )
    return [
        ActionCommand(
            name="ml",
            help="Machine-learning pipelines: write, check and run them",
            func=lazy_load_command("airflow_ml_provider.cli.airflow_command.run"),
            args=(arguments,),
        )
    ]


def run(arguments: argparse.Namespace) -> None:
    """Hand what was typed to ``airflow-ml``."""
    from airflow_ml_provider.cli.main import app

    sys.exit(app(args=arguments.arguments, prog_name="airflow ml"))
