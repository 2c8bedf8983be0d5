"""One listing for all triggers of a triggerer that look at the same files."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from airflow.sdk.exceptions import AirflowException

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.ledger import Ledger
from airflow_ml_provider.decisions.data.new_data import Look, Looking
from airflow_ml_provider.decisions.data.settling import Sightings
from airflow_ml_provider.errors import MlError
from airflow_ml_provider.sources.watched_source import WatchedSource

log = logging.getLogger(__name__)

SHORTEST_SECONDS = 0.5
_JOIN_SECONDS = 0.05


@dataclass(eq=False)
class Watcher:
    """One trigger's view of its source.

    Attributes:
        source: What it looks at.
        partition: Only this one; ``None`` for any.
        ledger: Its claims, as the last look read them.
        sightings: What the last look saw of objects that were not settled.
    """

    source: WatchedSource
    partition: str | None = None
    ledger: Ledger | None = None
    sightings: Sightings = field(default_factory=dict)

    @property
    def claims(self) -> int:
        """How many claims there were at the last look."""
        return self.ledger.last if self.ledger else 0


_WATCHERS: dict[Hashable, list[Watcher]] = {}


@contextmanager
def watching(key: Hashable, watcher: Watcher) -> Iterator[None]:
    """Take part in the looks of a key."""
    _WATCHERS.setdefault(key, []).append(watcher)
    try:
        yield
    finally:
        _WATCHERS[key].remove(watcher)
        if not _WATCHERS[key]:
            del _WATCHERS[key]


async def looks(key: Hashable, *, poll: float) -> AsyncIterator[Mapping[Watcher, Look]]:
    """Look again and again for all that take part; what does not answer is looked at the next time.

    Args:
        key: What is listed.
        poll: How long from one look to the next, in seconds; shorter when something settles before.
    """
    # A triggerer starts all its triggers at one moment; from the second look on they are spread over the time.
    longest = random.uniform(0, poll)  # noqa: S311
    while True:
        watchers = list(_WATCHERS.get(key, ()))
        if not watchers:
            # The stream begins a moment before those who read it.
            await asyncio.sleep(_JOIN_SECONDS)
            continue
        seen = await asyncio.to_thread(look_for_all, watchers)
        yield seen
        settling = [found.again_at for found in seen.values() if found.again_at is not None]
        wait = min(settling, default=float("inf")) - time.time()
        await asyncio.sleep(min(longest, max(wait, SHORTEST_SECONDS)))
        longest = poll


def look_for_all(watchers: Sequence[Watcher]) -> Mapping[Watcher, Look]:
    """Look once for watchers of one listing; those whose claims cannot be read are left out."""
    now = time.time()
    under_way: dict[Watcher, Looking] = {}
    for watcher in watchers:
        source = watcher.source
        try:
            watcher.ledger = source.claims.read(watcher.ledger)
            under_way[watcher] = source.looking(
                watcher.ledger, now=now, limit=1, partition=watcher.partition, earlier=watcher.sightings
            )
        except Exception as error:  # noqa: BLE001 - it would end the looks of all that share this one
            _tell("The claims of source %s of %s cannot be read: %s", source, error)
    if not under_way:
        return {}
    first = next(iter(under_way))
    assert first.ledger is not None
    try:
        for entry in first.source.listing(first.ledger, now=now):
            for looking in under_way.values():
                looking.add(entry)
    except Exception as error:  # noqa: BLE001 - it would end the looks of all that share this one
        _tell("Source %s of %s cannot be looked at: %s", first.source, error)
        return {}
    seen = {watcher: looking.result() for watcher, looking in under_way.items()}
    for watcher, found in seen.items():
        watcher.sightings = found.sightings
    return seen


def _tell(message: str, source: WatchedSource, error: Exception) -> None:
    expected = isinstance(error, StoreError | OSError | AirflowException | MlError)
    log.warning(message, source.name, source.pipeline, error, exc_info=None if expected else error)
