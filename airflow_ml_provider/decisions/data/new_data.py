"""Which objects of a source are new, settled and handed to nobody yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass

from airflow_ml_provider.decisions.data.settling import Marked, Settlement, Settling, Sightings
from airflow_ml_provider.protocol.manifest import SourceObject

_SLACK = 1000
"""How many more than needed are kept before the later ones are dropped."""


@dataclass(frozen=True)
class Look:
    """What a look at a source found.

    Attributes:
        new: What can be handed out now, of one partition, the oldest first.
        more: How many more could be, beyond the limit of one manifest or of other partitions.
        unsettled: How many new objects may still change.
        busy: How many new objects wait because a run has their partition.
        left: The earliest time of change of what is new and not among it; ``None`` when there is no more.
        gone: What was given back, and is not there any more.
        again_at: When the first unsettled one may be settled, in seconds since the epoch; ``None`` when nobody knows.
        sightings: What the next look has to know of this one.
    """

    new: tuple[SourceObject, ...]
    more: int
    unsettled: int
    busy: int
    left: float | None
    gone: tuple[SourceObject, ...]
    again_at: float | None
    sightings: Sightings

    @property
    def partition(self) -> str:
        """The partition of what is new; empty when there is none."""
        return self.new[0].partition if self.new else ""


class Looking:
    """A look under way: objects are added one by one and, unless markers settle them, not kept.

    Whatever its time says, an object is new as long as it was not handed out: objects that come late, with old times
    or with the times of others, are seen like all. Of several partitions the first by name comes first.

    Args:
        is_handed_out: Whether a version belongs to a run already.
        now: In seconds since the epoch.
        settling: When an object is written to its end.
        limit: The most objects of one manifest.
        earlier: What the look before saw, for ``Unchanged``.
        partition: Only this one; ``None`` for any.
        busy: Partitions that a run has.
        returned: What was given back.
    """

    def __init__(
        self,
        *,
        is_handed_out: Callable[[SourceObject], bool],
        now: float,
        settling: Settling,
        limit: int,
        earlier: Sightings | None = None,
        partition: str | None = None,
        busy: Set[str] = frozenset(),
        returned: Iterable[SourceObject] = (),
    ) -> None:
        self._is_handed_out = is_handed_out
        self._settlement = Settlement(settling, now, earlier or {})
        self._limit = limit
        self._partition = partition
        self._busy = busy
        self._first: list[SourceObject] = []
        self._marked_later: list[SourceObject] = []
        self._found = self._unsettled = self._waiting = 0
        self._left: float | None = None
        self._missing = {(found.uri, found.version): found for found in returned}

    def add(self, entry: SourceObject) -> None:
        """Look at one object of the source."""
        if self._missing:
            self._missing.pop((entry.uri, entry.version), None)
        if self._settlement.is_marker(entry) or self._is_handed_out(entry):
            return
        if self._partition is not None and entry.partition != self._partition:
            self._leave(entry)
            return
        if isinstance(self._settlement.settling, Marked):
            # A marker may be listed after what it marks.
            self._marked_later.append(entry)
        else:
            self._judge(entry)

    def result(self) -> Look:
        """Return what was found, once all objects were added."""
        for entry in self._marked_later:
            self._judge(entry)
        # A listing may have an object twice: pages of some stores overlap while objects are written.
        found = list({(entry.uri, entry.version): entry for entry in sorted(self._first, key=_order)}.values())
        chosen = tuple(entry for entry in found[: self._limit] if entry.partition == found[0].partition)
        for entry in found[len(chosen) :]:
            self._leave(entry)
        twice = len(self._first) - len(found)
        return Look(
            new=chosen,
            more=self._found - twice - len(chosen),
            unsettled=self._unsettled,
            busy=self._waiting,
            left=self._left,
            gone=tuple(self._missing.values()),
            again_at=self._settlement.again_at,
            sightings=self._settlement.sightings,
        )

    def _judge(self, entry: SourceObject) -> None:
        if not self._settlement.is_settled(entry):
            self._unsettled += 1
            self._leave(entry)
        elif entry.partition in self._busy:
            self._waiting += 1
            self._leave(entry)
        else:
            self._found += 1
            self._first.append(entry)
            if len(self._first) > 2 * self._limit + _SLACK:
                ordered = sorted(self._first, key=_order)
                self._first = ordered[: self._limit]
                for later in ordered[self._limit :]:
                    self._leave(later)

    def _leave(self, entry: SourceObject) -> None:
        self._left = entry.changed if self._left is None else min(self._left, entry.changed)


def _order(entry: SourceObject) -> tuple[str, float, str, str]:
    return entry.partition, entry.changed, entry.uri, entry.version
