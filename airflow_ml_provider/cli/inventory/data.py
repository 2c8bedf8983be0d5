"""``airflow-ml data``: which run was given which objects of a source, and what is to be new again."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import os
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import typer
from airflow.sdk.exceptions import AirflowException

from airflow_ml_provider.artifacts.errors import ArtifactCorruptError, StoreError
from airflow_ml_provider.artifacts.ledger import Claim, Ledger
from airflow_ml_provider.cli.pipelines.files import fail
from airflow_ml_provider.decisions.data.new_data import Look
from airflow_ml_provider.decisions.data.settling import Settlement
from airflow_ml_provider.errors import MlError
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.manifest import SourceObject
from airflow_ml_provider.sources.origins import AssetEvents
from airflow_ml_provider.sources.watched_source import WatchedSource
from airflow_ml_provider.spec.loading.load import LoadedPipeline
from airflow_ml_provider.spec.problems import did_you_mean

MOST_SKIPPED = 300_000
"""What one claim can hold."""


def source_of(loaded: LoadedPipeline, name: str, *, store: str | None) -> WatchedSource:
    """Return a source of a pipeline.

    Raises:
        typer.Exit: The pipeline has no such source.
    """
    spec = loaded.spec
    if name not in spec.sources:
        fail(
            f"pipeline {spec.pipeline!r} has no source {name!r}; it has {', '.join(spec.sources) or 'none'}"
            f"{did_you_mean(name, spec.sources)}"
        )
    # Connections come from Airflow's database too, as in Airflow's own commands.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from airflow_ml_provider.configuration import ml_settings
    from airflow_ml_provider.dag_factory.data import watched_source

    where = ml_settings(store=store or spec.store).store
    folder = Path(loaded.document.file).absolute().parent
    return watched_source(spec, name, store=where, base_folder=folder)


def print_status(loaded: LoadedPipeline, *, sources: list[str], store: str | None, as_json: bool) -> None:
    """Print what is new, claimed and done with in each source."""
    statuses, faults = {}, {}
    for name in sources:
        source = source_of(loaded, name, store=store)
        try:
            ledger = source.claims.read()
            # The events of an asset are given to tasks alone.
            seen = None if isinstance(source.origin, AssetEvents) else _look(loaded, source, ledger)
        except (StoreError, AirflowException, MlError) as error:
            faults[name] = str(error)
            continue
        statuses[name] = _status(ledger, seen)
    if as_json:
        typer.echo(json.dumps(statuses, indent=2))
    else:
        _print_statuses(statuses)
    if faults:
        fail("\n".join(f"{name}: {fault}" for name, fault in faults.items()))


def _print_statuses(statuses: Mapping[str, dict[str, Any]]) -> None:
    for name, status in statuses.items():
        counts = [f"{status['handed_out']} given to runs", f"{status['claims']} claims"]
        if "new" in status:
            counts = [f"{status['new']} new", f"{status['unsettled']} still settle", *counts]
        if status.get("busy"):
            counts.append(f"{status['busy']} wait for a run of their partition")
        typer.echo(f"{name}: {', '.join(counts)}")
        for claim in status["open"]:
            partition = f" of partition {claim['partition']}" if claim["partition"] else ""
            typer.echo(
                f"  claim {claim['number']} of run {claim['run']} is open since {claim['claimed_at']}: "
                f"{claim['objects']} objects{partition}"
            )


def release(loaded: LoadedPipeline, name: str, number: int, *, store: str | None) -> None:
    """Give the objects of an open claim back: another run may get them, and the one that had them ends.

    Raises:
        typer.Exit: There is no such claim, or it is committed.
    """
    source = source_of(loaded, name, store=store)
    try:
        claims = source.claims
        claim = claims.read().claims.get(number)
        if claim is None or not claim.dag_run:
            fail(f"source {name!r} has no open claim {number}; 'airflow-ml data status' lists them")
        end = claims.end(number, outcome="released", reason=f"by {getpass.getuser()}", now=time.time())
    except (StoreError, AirflowException, MlError) as error:
        fail(str(error))
    if end.outcome == "committed":
        fail(f"claim {number} of run {claim.dag_run} is committed ({end.reason}): its objects were processed")
    typer.echo(f"claim {number} is released: {len(claim.objects)} objects of run {claim.dag_run} are new again")


def replay(loaded: LoadedPipeline, name: str, *, claims: list[int], partition: str | None, store: str | None) -> None:
    """Make what committed claims held new again.

    Raises:
        typer.Exit: There is no such claim, or a run has some of it.
    """
    source = source_of(loaded, name, store=store)
    try:
        while True:
            ledger = source.claims.read()
            known = source.claims.all(ledger)
            numbers = {claim.number for claim in known if claim.objects}
            if unknown := sorted(set(claims) - numbers):
                fail(f"source {name!r} has no claim {unknown[0]}; it has {_range(numbers)}")
            chosen = claims if partition is None else _committed_of(source, ledger, known, partition)
            if not chosen:
                fail(f"no run was given anything of partition {partition!r} of source {name!r}")
            reason = f"replayed by {getpass.getuser()}"
            count = source.claims.replay(ledger, tuple(chosen), partition=partition, reason=reason, now=time.time())
            if count is not None:
                break
    except (StoreError, AirflowException, MlError) as error:
        fail(str(error))
    typer.echo(f"{count} objects of {len(chosen)} claims are new again; as far as they still are as they were")


def reset(loaded: LoadedPipeline, name: str, *, skip_existing: bool, sure: bool, store: str | None) -> None:
    """Make all of a source new, or none of what is there now.

    Raises:
        typer.Exit: A run has some of it, or there is too much.
    """
    source = source_of(loaded, name, store=store)
    if not sure:
        what = "what is there now counts as given" if skip_existing else "all of it is new again"
        typer.confirm(f"Forget which runs were given what of {name!r}, so that {what}?", abort=True)
    try:
        while True:
            ledger = _readable(source)
            given = _all_there(source) if skip_existing else ()
            if len(given) > MOST_SKIPPED:
                fail(
                    f"source {name!r} holds more than {MOST_SKIPPED:,} objects: narrow its pattern, or let runs take "
                    f"them"
                )
            reason = f"reset by {getpass.getuser()}"
            if source.claims.reset(ledger, given=given, kind=source.kind, reason=reason, now=time.time()) is not None:
                break
    except (StoreError, ProtocolError, AirflowException, MlError) as error:
        fail(str(error))
    typer.echo(f"{name}: {len(given)} objects count as given" if skip_existing else f"{name}: all of it is new again")


def _readable(source: WatchedSource) -> Ledger:
    try:
        return source.claims.read()
    except ArtifactCorruptError as error:
        typer.echo(f"what {source.name!r} gave to runs cannot be read, and is passed over: {error}", err=True)
        source.claims.pass_over()
        return source.claims.read()


def _all_there(source: WatchedSource) -> tuple[SourceObject, ...]:
    if isinstance(source.origin, AssetEvents):
        fail(
            f"source {source.name!r}: Airflow gives the events of an asset to tasks alone, so none can be left out here"
        )
    settlement = Settlement(source.settling, time.time())
    listing = source.listing(Ledger(), now=time.time())
    return tuple(islice((found for found in listing if not settlement.is_marker(found)), MOST_SKIPPED + 1))


def _committed_of(source: WatchedSource, ledger: Ledger, known: list[Claim], partition: str) -> list[int]:
    numbers = [claim.number for claim in known if any(found.partition == partition for found in claim.objects)]
    return [number for number in numbers if source.claims.is_committed(ledger, number)]


def _range(numbers: set[int]) -> str:
    return f"claims {min(numbers)} to {max(numbers)}" if numbers else "none"


def _look(loaded: LoadedPipeline, source: WatchedSource, ledger: Ledger) -> Look:
    return source.look(ledger, limit=loaded.spec.sources[source.name].max_objects)


def _status(ledger: Ledger, seen: Look | None) -> dict[str, Any]:
    looked = {} if seen is None else {"new": len(seen.new) + seen.more, "unsettled": seen.unsettled, "busy": seen.busy}
    return {
        **looked,
        "handed_out": ledger.handed_out,
        "claims": ledger.last,
        "open": [
            {
                "number": claim.number,
                "run": claim.dag_run,
                "claimed_at": dt.datetime.fromtimestamp(claim.claimed_at, tz=dt.UTC).isoformat(timespec="seconds"),
                "objects": len(claim.objects),
                "partition": claim.objects[0].partition,
            }
            for claim in ledger.open()
        ],
    }
