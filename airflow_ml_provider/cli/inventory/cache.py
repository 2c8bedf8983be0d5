"""``airflow-ml cache``: the results that are kept to be reused."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from airflow_ml_provider.artifacts.errors import StoreError, StoreUnavailableError
from airflow_ml_provider.artifacts.results import KeptResult, ResultStore, UnusableResultError
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.cli.pipelines.files import fail
from airflow_ml_provider.protocol.plain_text import one_line

_LINE = 1000


@dataclass(frozen=True)
class Entry:
    """A kept result, or what is wrong with it.

    Attributes:
        uri: Where it lies.
        kept: The result, ``None`` when it cannot be read.
        flaw: Why it cannot be reused, empty when it can.
        doubt: Why that is not known, empty when it is.
    """

    uri: str
    kept: KeptResult | None
    flaw: str
    doubt: str = ""


def store_uri(store: str | None, *, in_airflow: bool) -> str:
    """Return the store that a command is about: a given one, Airflow's, or that of runs on this machine."""
    from airflow_ml_provider.dag_factory.airflow_run import local_environment
    from airflow_ml_provider.local.events import FOLDER

    if not (store or in_airflow):
        os.environ |= local_environment(Path.cwd() / FOLDER)
    from airflow_ml_provider.configuration import ml_settings
    from airflow_ml_provider.errors import StageConfigurationError

    try:
        return ml_settings(store=store).store
    except StageConfigurationError as error:
        fail(str(error))


def entries(store: str) -> list[Entry]:
    """Return all kept results of a store, each looked at.

    Raises:
        StoreError: The store did not answer.
    """
    return [_entry(uri, found) for uri, found in ResultStore(store).all()]


def print_entries(store: str, *, as_json: bool) -> None:
    """Print the kept results as a table, or as JSON."""
    found = sorted(_entries(store), key=lambda entry: entry.kept.kept_at if entry.kept else 0.0)
    if as_json:
        typer.echo(json.dumps([_plain(entry) for entry in found], indent=2))
        return
    for entry in found:
        kept = entry.kept
        shown = entry.uri if kept is None else f"{kept.pipeline}.{kept.stage}  {_when(kept)}  run {kept.dag_run}"
        typer.echo(one_line(f"{shown}  {entry.flaw or entry.doubt or _size(kept)}", _LINE))
    typer.echo(f"{len(found)} kept in {store}", err=True)


def print_why(store: str, *, pipeline: str, stages: list[str], as_json: bool) -> None:
    """Print why each stage ran, or from where its result was taken, when it delivered last."""
    results = ResultStore(store)
    try:
        found = {stage: results.last(pipeline=pipeline, stage=stage) for stage in stages}
    except StoreError as error:
        fail(str(error))
    if as_json:
        shown = {stage: None if kept is None else _why(kept) for stage, kept in found.items()}
        typer.echo(json.dumps(shown, indent=2))
        return
    for stage, kept in found.items():
        if kept is None:
            typer.echo(f"{stage}: nothing is kept")
            continue
        reused = kept.reason.startswith("reused from ")
        typer.echo(one_line(f"{stage}: {kept.reason if reused else f'ran because {kept.reason}'}", _LINE))
        for name, value in kept.components.items():
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            typer.echo(one_line(f"  {name}: {text}", _LINE))


def prune(store: str, *, older_than: dt.timedelta | None, dry_run: bool) -> None:
    """Remove results that cannot be reused, and those that are older; their artifacts stay."""
    removed = 0
    for entry in _entries(store):
        age = dt.timedelta(seconds=time.time() - entry.kept.kept_at) if entry.kept else dt.timedelta()
        old = older_than is not None and age > older_than
        if not (entry.flaw or old):
            continue
        removed += 1
        name = f"{entry.kept.pipeline}.{entry.kept.stage}" if entry.kept else entry.uri
        why = entry.flaw or f"kept {age.days} days ago"
        typer.echo(one_line(f"{'would remove' if dry_run else 'remove'} {name}: {why}", _LINE))
        if not dry_run:
            try:
                ResultStore(store).forget(entry.uri)
            except StoreError as error:
                fail(str(error))
    if not removed:
        typer.echo("nothing to remove")


def _entries(store: str) -> list[Entry]:
    try:
        return entries(store)
    except StoreError as error:
        fail(str(error))


def _entry(uri: str, found: KeptResult | UnusableResultError) -> Entry:
    if isinstance(found, UnusableResultError):
        return Entry(uri, None, str(found))
    for name, ref in found.result.outputs.items():
        try:
            ArtifactStore().require_whole(ref)
        except StoreUnavailableError as error:
            return Entry(uri, found, "", f"output {name!r}: {error}")
        except StoreError as error:
            return Entry(uri, found, f"output {name!r}: {error}")
    return Entry(uri, found, "")


def _plain(entry: Entry) -> dict[str, Any]:
    kept = entry.kept
    about = {} if kept is None else {"pipeline": kept.pipeline, "stage": kept.stage, "run": kept.dag_run}
    more = {} if kept is None else {"kept_at": _when(kept), "key": kept.key, "components": kept.components}
    doubt = {"doubt": entry.doubt} if entry.doubt else {}
    return {"uri": entry.uri, **about, **more, "flaw": entry.flaw, **doubt}


def _why(kept: KeptResult) -> dict[str, Any]:
    return {"reason": kept.reason, "run": kept.dag_run, "kept_at": _when(kept), "components": kept.components}


def _when(kept: KeptResult) -> str:
    return dt.datetime.fromtimestamp(kept.kept_at, tz=dt.UTC).isoformat(timespec="seconds")


def _size(kept: KeptResult | None) -> str:
    return "" if kept is None else f"{sum(ref.size for ref in kept.result.outputs.values()):,} bytes"
