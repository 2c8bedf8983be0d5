"""Which objects of a source are new, settled and handed to nobody yet."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from airflow_ml_provider.protocol.manifest import SourceObject

NONSENSE_SECONDS = 86_400.0
"""A time of change that is further ahead says nothing."""


@dataclass(frozen=True)
class Look:
    """What a look at a source found.

    Attributes:
        new: What can be handed out now, the oldest first.
        more: How many more could be, beyond the limit of one manifest.
        unsettled: How many new objects may still change.
        again_at: When the first of those settles, in seconds since the epoch; ``None`` when there is none.
    """

    new: tuple[SourceObject, ...]
    more: int
    unsettled: int
    again_at: float | None


def look(
    listing: Iterable[SourceObject],
    *,
    is_handed_out: Callable[[SourceObject], bool],
    now: float,
    settle: float,
    limit: int,
) -> Look:
    """Decide; the listing is read once and not kept.

    An object is settled when it was not written for ``settle`` seconds. Whatever its time says, it is new as long as
    it was not handed out: objects that come late, with old times or with the times of others, are seen like all.

    Args:
        listing: All objects of the source.
        is_handed_out: Whether a version belongs to a run already.
        now: In seconds since the epoch.
        settle: In seconds.
        limit: The most objects of one manifest.
    """
    found = 0
    unsettled = 0
    again_at: float | None = None

    def settled() -> Iterable[SourceObject]:
        nonlocal found, unsettled, again_at
        for entry in listing:
            if is_handed_out(entry):
                continue
            ready = entry.changed + settle
            # A clock may be ahead by minutes; a time of next year is none, and would be waited for for ever.
            if now < ready and entry.changed < now + NONSENSE_SECONDS:
                unsettled += 1
                again_at = ready if again_at is None else min(again_at, ready)
                continue
            found += 1
            yield entry

    oldest = heapq.nsmallest(limit, settled(), key=lambda entry: (entry.changed, entry.uri, entry.version))
    return Look(tuple(oldest), found - len(oldest), unsettled, again_at)
