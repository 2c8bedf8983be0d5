"""``airflow-ml endpoint``: what serves on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from airflow_ml_provider.cli.pipelines.files import fail
from airflow_ml_provider.configuration import ml_settings
from airflow_ml_provider.decisions.serving.rollout import Serving
from airflow_ml_provider.errors import NotServingError
from airflow_ml_provider.local.events import FOLDER
from airflow_ml_provider.protocol.plain_text import one_line
from airflow_ml_provider.serving.local_target import LocalTarget, ServerCommand
from airflow_ml_provider.settings import ENDPOINTS


def print_endpoints(*, as_json: bool) -> None:
    """Print the endpoints, and the version that each serves."""
    rows = []
    for folder in _folders():
        target = _target(folder)
        try:
            serving = target.read()
        except NotServingError as error:
            typer.echo(f"airflow-ml: {one_line(str(error))}", err=True)
            continue
        for role, revision in (("serves", serving.stable), ("candidate", serving.candidate)):
            if revision is not None:
                row: dict[str, object] = {
                    "endpoint": folder.name,
                    "url": target.url,
                    "role": role,
                    "version": revision.version,
                }
                rows.append({**row, "servers": target.replicas(revision)})
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        typer.echo("Nothing serves on this machine")
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(Text(one_line(str(value))) for value in row.values()))
    Console().print(table)


def stop(name: str) -> None:
    """End an endpoint."""
    found = [folder for folder in _folders() if folder.name == name]
    if not found:
        known = ", ".join(folder.name for folder in _folders()) or "none"
        fail(f"there is no endpoint {name!r} on this machine; there is {known}")
    for folder in found:
        target = _target(folder)
        target.read()
        target.write(Serving())
        target.remove_others()
        typer.echo(f"{name} is stopped")


def _folders() -> Iterator[Path]:
    """Yield the endpoints of Airflow here, and those that ``airflow-ml run`` started in this folder."""
    for parent in (ml_settings().endpoints, Path.cwd() / FOLDER / "airflow" / ENDPOINTS):
        yield from sorted(path.parent for path in parent.glob("*/serving.json"))


def _target(folder: Path) -> LocalTarget:
    def none(*_: object) -> ServerCommand:
        raise AssertionError("nothing is started here")

    return LocalTarget(folder, port=0, command=none)
