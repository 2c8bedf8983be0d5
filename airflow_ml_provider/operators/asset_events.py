"""Events of an Airflow asset as objects of a source; Airflow tells them to tasks that name the asset as an inlet."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import Any

from airflow.sdk import Asset, Context

from airflow_ml_provider.artifacts.ledger import Ledger
from airflow_ml_provider.hooks.origins import AssetEvents
from airflow_ml_provider.hooks.watched_source import Events
from airflow_ml_provider.protocol.manifest import SourceObject

LOOKBACK_SECONDS = 3600.0
"""Events are kept in the order in which their transactions end, which is not that of their times."""


def events_for(context: Context, origin: AssetEvents) -> Events:
    """Return what lists the events of an asset that may be new."""

    def events(ledger: Ledger) -> Iterator[SourceObject]:
        accessor = context["inlet_events"][Asset.ref(name=origin.asset)]
        if ledger.top is not None:
            start = dt.datetime.fromtimestamp(ledger.top.changed - LOOKBACK_SECONDS, dt.UTC)
            accessor = accessor.after(start.isoformat())
        # An event may have been given back and be within the lookback too.
        yield from {
            found.version: found for found in (*ledger.returned, *(_object(origin, event) for event in accessor))
        }.values()

    return events


def describe_events(context: Context, origin: AssetEvents, given: Sequence[SourceObject]) -> bytes:
    """Return what Airflow says of events, a JSON line each."""
    wanted = {found.version for found in given}
    lines = [
        json.dumps(
            {
                "asset": origin.asset,
                "id": event.id,
                "timestamp": event.timestamp.isoformat(),
                "extra": event.extra,
                "partition": event.partition_key,
                "source_dag_id": event.source_dag_id,
                "source_run_id": event.source_run_id,
            }
        )
        for event in context["inlet_events"][Asset.ref(name=origin.asset)]
        if _object(origin, event).version in wanted
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _object(origin: AssetEvents, event: Any) -> SourceObject:
    # The database of Airflow may be made anew, and its ids begin at 1 again.
    version = f"{event.timestamp.isoformat()} {event.id}"
    partition = (event.partition_key or "") if origin.partitioned else ""
    return SourceObject(f"asset://{origin.asset}", version, 0, event.timestamp.timestamp(), partition)
