"""Wakes a pipeline when there is something new in a source."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_ml_provider.artifacts.claims import SourceClaims
from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.listing import objects
from airflow_ml_provider.decisions.new_data import Look, look
from airflow_ml_provider.decisions.wake_up import WakeUps

SHORTEST_SECONDS = 0.5


class NewDataTrigger(BaseEventTrigger):
    """Fires while a source holds settled objects that no run was given.

    An event says only that there is something: which objects a run gets is decided when its first task claims them, so
    an event that is lost, doubled or late loses and doubles nothing.

    Args:
        store: URI of the artifact store, where the claims are.
        pipeline: The pipeline's (DAG's) id.
        source: The source's name.
        uri: An absolute fsspec URI with ``*`` and ``**``.
        settle: How long an object must not have been written, in seconds.
        poll: How long from one look to the next, in seconds.
    """

    def __init__(self, *, store: str, pipeline: str, source: str, uri: str, settle: float, poll: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.store = store
        self.pipeline = pipeline
        self.source = source
        self.uri = uri
        self.settle = settle
        self.poll = poll

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another process makes the same trigger from."""
        names = ("store", "pipeline", "source", "uri", "settle", "poll")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; a store or source that does not answer is looked at the next time."""
        wake_ups = WakeUps(poll=self.poll)
        while True:
            wait = self.poll
            try:
                claims, seen = await asyncio.to_thread(self._look)
            except (StoreError, OSError) as error:
                self.log.warning(
                    "Source %s of %s is looked at again in %s s: %s", self.source, self.pipeline, wait, error
                )
            else:
                now = time.time()
                if wake_ups.is_due(claims=claims, seen=seen, now=now):
                    found = {"source": self.source, "objects": len(seen.new) + seen.more, "unsettled": seen.unsettled}
                    yield TriggerEvent(found)  # type: ignore[no-untyped-call]
                if seen.again_at is not None:
                    wait = min(wait, max(seen.again_at - now, SHORTEST_SECONDS))
            await asyncio.sleep(wait)

    def _look(self) -> tuple[int, Look]:
        ledger = SourceClaims(self.store, pipeline=self.pipeline, source=self.source).read()
        now = time.time()
        seen = look(objects(self.uri), is_handed_out=ledger.is_handed_out, now=now, settle=self.settle, limit=1)
        return ledger.last, seen
