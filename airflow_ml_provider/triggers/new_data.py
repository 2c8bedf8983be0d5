"""Wakes a pipeline when there is something new in a source."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncIterator, Hashable, Mapping
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_ml_provider.decisions.data.wake_up import WakeUps
from airflow_ml_provider.sources.watched_source import WatchedSource
from airflow_ml_provider.triggers.shared_looks import Watcher, looks, watching


class NewDataTrigger(BaseEventTrigger):
    """Fires while a source holds settled objects that no run was given.

    An event says only that there is something: which objects a run gets is decided when its first task claims them, so
    an event that is lost, doubled or late loses and doubles nothing. Triggers of one triggerer that look at the same
    files share the listing.

    Args:
        source: A WatchedSource, as it says itself plainly.
        poll: How long from one look to the next, in seconds.
        partition: Fire for this one alone; ``None`` for any.
    """

    def __init__(self, *, source: Mapping[str, Any], poll: float, partition: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.source = dict(source)
        self.poll = poll
        self.partition = partition

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another process makes the same trigger from."""
        names = ("source", "poll", "partition")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    def shared_stream_key(self) -> Hashable | None:
        """Return what is the same for all triggers that one listing serves."""
        return _key(self.source, self.poll)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Any]:
        """Look again and again for all that watch; yields what each of them is to see."""
        async for seen in looks(_key(kwargs["source"], kwargs["poll"]), poll=kwargs["poll"]):
            yield seen

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Fire for what this trigger's own claims do not hold."""
        watcher = Watcher(WatchedSource.from_plain(self.source), self.partition)
        wake_ups = WakeUps(poll=self.poll)
        with watching(_key(self.source, self.poll), watcher):
            async for seen in shared_stream:
                found = seen.get(watcher)
                if found is not None and wake_ups.is_due(claims=watcher.claims, seen=found, now=time.time()):
                    event = {"source": self.source["name"], "objects": len(found.new) + found.more}
                    yield TriggerEvent({**event, "unsettled": found.unsettled})  # type: ignore[no-untyped-call]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Do the same alone, for a task that is deferred."""
        kwargs = self.serialize()[1]
        async for event in self.filter_shared_stream(self.open_shared_stream(kwargs)):
            yield event


def _key(source: Mapping[str, Any], poll: float) -> Hashable:
    shared = {"origin": source["origin"], "poll": poll}
    if source["origin"]["kind"] == "Files":
        shared["marker"] = source["settling"].get("marker")
    else:
        # What is listed depends on the claims.
        shared |= {"store": source["store"], "pipeline": source["pipeline"], "name": source["name"]}
    # Airflow logs the key; a query or a URI may hold what is nobody's business.
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()
