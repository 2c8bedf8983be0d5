"""``airflow-ml model``: champions in MLflow's registry."""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from airflow.sdk.exceptions import AirflowNotFoundException
from rich.console import Console
from rich.table import Table
from rich.text import Text

from airflow_ml_provider.cli.pipelines.files import fail
from airflow_ml_provider.decisions.models.promotions import version_before
from airflow_ml_provider.errors import MlflowAuthorizationError, MlflowError
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.mlflow_api.registry import CHAMPION, ModelRegistry, tags_of
from airflow_ml_provider.operators.register import MODEL_NAME_PATTERN
from airflow_ml_provider.protocol.plain_text import one_line


def print_models(name: str | None, *, connection: str, as_json: bool) -> None:
    """Print all models, or the versions of one."""
    with _registry(connection, name) as registry:
        rows = _all(registry) if name is None else _versions(registry, name)
    _print(rows, as_json=as_json)


def print_history(name: str, *, connection: str, as_json: bool) -> None:
    """Print when which version became champion, the last first."""
    with _registry(connection, name) as registry:
        promoted = registry.history(_known(registry, name))
    _print([entry._asdict() for entry in reversed(promoted)], as_json=as_json)


def promote(name: str, version: str, *, connection: str) -> None:
    """Make a version champion."""
    with _registry(connection, name) as registry:
        if not version.isdecimal():
            fail(f"version {version!r} is not a number; 'airflow-ml model list {name}' shows them")
        registry.version(_known(registry, name), version)
        before = registry.version_of_alias(name, CHAMPION)
        registry.promote(name, version, by=f"{getpass.getuser()}, airflow-ml model promote")
    was = "there was none" if before is None else f"it was {before['version']}"
    typer.echo(f"{name} version {version} is champion; {was}")
    _tell_endpoint(before, version)


def rollback(name: str, *, connection: str) -> None:
    """Make the version champion that was it before."""
    with _registry(connection, name) as registry:
        champion = registry.version_of_alias(_known(registry, name), CHAMPION)
        now = None if champion is None else str(champion["version"])
        before = version_before(registry.history(name), now)
        if before is None:
            fail(f"no other version of {name} was champion: name one with 'airflow-ml model promote {name} VERSION'")
        registry.promote(name, before, by=f"{getpass.getuser()}, airflow-ml model rollback")
    typer.echo(f"{name} version {before} is champion again; it was {now or 'none'}")
    _tell_endpoint(champion, before)


def _tell_endpoint(champion: Mapping[str, Any] | None, now: str) -> None:
    """Say that an alias moves no requests."""
    endpoint = "" if champion is None else tags_of(champion).get("airflow_ml.endpoint", "")
    if champion is not None and endpoint and str(champion["version"]) != now:
        typer.echo(f"{one_line(endpoint)} serves version {champion['version']} until a serve stage serves another")


@contextmanager
def _registry(connection: str, name: str | None) -> Iterator[ModelRegistry]:
    if name is not None and not re.fullmatch(MODEL_NAME_PATTERN, name):
        fail(f"{name!r} is not a model's name: use letters, digits, '_', '-', '.' and spaces, 200 at most")
    try:
        yield ModelRegistry(MlflowHook(connection).get_conn())
    except (MlflowError, MlflowAuthorizationError, AirflowNotFoundException) as error:
        fail(str(error))


def _known(registry: ModelRegistry, name: str) -> str:
    if not any(True for _ in registry.versions(name)):
        known = ", ".join(sorted(one_line(model["name"]) for model in registry.models())) or "none"
        fail(f"no version of a model {name!r} is registered; there is {known}")
    return name


def _all(registry: ModelRegistry) -> list[dict[str, Any]]:
    rows = []
    for model in registry.models():
        aliases = {entry["alias"]: str(entry["version"]) for entry in model.get("aliases", [])}
        both = {alias: aliases.get(alias) for alias in ("champion", "challenger")}
        rows.append({"model": model["name"], **both})
    return rows


def _versions(registry: ModelRegistry, name: str) -> list[dict[str, Any]]:
    aliases: dict[str, list[str]] = {}
    _known(registry, name)
    for alias in ("champion", "challenger"):
        found = registry.version_of_alias(name, alias)
        if found is not None:
            aliases.setdefault(str(found["version"]), []).append(alias)
    rows = []
    for version in sorted(registry.versions(name), key=lambda each: -int(each["version"])):
        tags = tags_of(version)
        rows.append(
            {
                "version": str(version["version"]),
                "alias": ", ".join(aliases.get(str(version["version"]), [])),
                "approval": tags.get("airflow_ml.approval", ""),
                "gate": tags.get("airflow_ml.gate", ""),
                "pipeline": tags.get("airflow_ml.pipeline", ""),
                "run": tags.get("airflow_ml.dag_run", ""),
            }
        )
    return rows


def _print(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(list(rows), indent=2))
        return
    if not rows:
        typer.echo("none")
        return
    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text("" if value is None else one_line(str(value))) for value in row.values()))
    Console().print(table)
