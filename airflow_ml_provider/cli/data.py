"""``airflow-ml data``: which run was given which objects of a source."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import time
from pathlib import Path
from typing import Any

import typer

from airflow_ml_provider.artifacts.claims import Ledger, SourceClaims
from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.listing import objects
from airflow_ml_provider.cli.pipelines import fail
from airflow_ml_provider.decisions.new_data import Look, look
from airflow_ml_provider.spec.load import LoadedPipeline
from airflow_ml_provider.spec.problems import did_you_mean


def claims_of(loaded: LoadedPipeline, source: str, *, store: str | None) -> SourceClaims:
    """Return the claims of a source of a pipeline.

    Raises:
        typer.Exit: The pipeline has no such source.
    """
    spec = loaded.spec
    if source not in spec.sources:
        fail(
            f"pipeline {spec.pipeline!r} has no source {source!r}; it has {', '.join(spec.sources) or 'none'}"
            f"{did_you_mean(source, spec.sources)}"
        )
    from airflow_ml_provider.operators.settings import MlSettings

    where = MlSettings.read(store=store or spec.store).store
    return SourceClaims(where, pipeline=spec.pipeline, source=source)


def print_status(loaded: LoadedPipeline, *, sources: list[str], store: str | None, as_json: bool) -> None:
    """Print what is new, claimed and done with in each source."""
    told = {}
    for name in sources:
        claims = claims_of(loaded, name, store=store)
        try:
            ledger = claims.read()
            seen = _look(loaded, name, ledger)
        except StoreError as error:
            fail(str(error))
        told[name] = _status(ledger, seen)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    for name, status in told.items():
        counts = f"{status['new']} new, {status['unsettled']} still settle, {status['handed_out']} given to runs"
        typer.echo(f"{name}: {counts}, {status['claims']} claims")
        for claim in status["open"]:
            typer.echo(
                f"  claim {claim['number']} of run {claim['run']} is open since {claim['claimed_at']}: "
                f"{claim['objects']} objects"
            )


def release(loaded: LoadedPipeline, source: str, number: int, *, store: str | None) -> None:
    """Give the objects of an open claim back: another run may get them, and the one that had them ends.

    Raises:
        typer.Exit: There is no such claim, or it is committed.
    """
    claims = claims_of(loaded, source, store=store)
    try:
        claim = claims.read().claims.get(number)
        if claim is None:
            fail(f"source {source!r} has no open claim {number}; 'airflow-ml data status' lists them")
        now = time.time()
        end = claims.end(number, outcome="released", reason=f"by {getpass.getuser()}", now=now)
    except StoreError as error:
        fail(str(error))
    if end.outcome == "committed":
        fail(f"claim {number} of run {claim.dag_run} is committed ({end.reason}): its objects were processed")
    typer.echo(f"claim {number} is released: {len(claim.objects)} objects of run {claim.dag_run} are new again")


def _look(loaded: LoadedPipeline, name: str, ledger: Ledger) -> Look:
    source = loaded.spec.sources[name]
    uri = source.uri if "://" in source.uri else str(Path(loaded.document.file).absolute().parent / source.uri)
    return look(
        objects(uri),
        is_handed_out=ledger.is_handed_out,
        now=time.time(),
        settle=source.settle.total_seconds(),
        limit=source.max_objects,
    )


def _status(ledger: Ledger, seen: Look) -> dict[str, Any]:
    return {
        "new": len(seen.new) + seen.more,
        "unsettled": seen.unsettled,
        "handed_out": ledger.handed_out,
        "claims": ledger.last,
        "open": [
            {
                "number": claim.number,
                "run": claim.dag_run,
                "claimed_at": dt.datetime.fromtimestamp(claim.claimed_at, tz=dt.UTC).isoformat(timespec="seconds"),
                "objects": len(claim.objects),
            }
            for claim in ledger.open()
        ],
    }
