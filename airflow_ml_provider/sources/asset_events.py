"""Events of an Airflow asset as objects of a source; Airflow gives them to tasks that name the asset as an inlet."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import Any

from airflow_ml_provider.artifacts.ledger import Ledger
from airflow_ml_provider.attempts.run_context import Events as AssetEventReader
from airflow_ml_provider.protocol.manifest import SourceObject
from airflow_ml_provider.sources.origins import AssetEvents
from airflow_ml_provider.sources.watched_source import EVENT_LOOKBACK_SECONDS, Events


def events_for(received: AssetEventReader, origin: AssetEvents) -> Events:
    """Return what lists the events of an asset that may be new."""

    def events(ledger: Ledger) -> Iterator[SourceObject]:
        begin = ledger.begin(EVENT_LOOKBACK_SECONDS)
        for event in received.received(origin.asset, after=None if begin is None else _format_time(begin)):
            yield _object(origin, event)

    return events


def describe_events(received: AssetEventReader, origin: AssetEvents, given: Sequence[SourceObject]) -> bytes:
    """Return what Airflow says of events, a JSON line each."""
    wanted = {found.version for found in given}
    first = min(found.changed for found in given)
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
        for event in received.received(origin.asset, after=_format_time(first))
        if _object(origin, event).version in wanted
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _format_time(seconds: float) -> str:
    return (dt.datetime.fromtimestamp(seconds, dt.UTC) - dt.timedelta(milliseconds=1)).isoformat()


def _object(origin: AssetEvents, event: Any) -> SourceObject:
    # The database of Airflow may be made anew, and its ids begin at 1 again.
    version = f"{event.timestamp.isoformat()} {event.id}"
    partition = (event.partition_key or "") if origin.partitioned else ""
    return SourceObject(f"asset://{origin.asset}", version, 0, event.timestamp.timestamp(), partition)
