"""When an object is written to its end, so that a run may have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from airflow_ml_provider.protocol.manifest import NONSENSE_SECONDS, NUMBER, SourceObject


@dataclass(frozen=True)
class Quiet:
    """Settled when it was not written for a while, by the clock of its store.

    Attributes:
        seconds: For how long.
    """

    seconds: float


@dataclass(frozen=True)
class Marked:
    """Settled when a marker lies in its folder, or in a folder above it: what writers leave when they are done.

    Attributes:
        marker: The marker's name, such as ``_SUCCESS``.
    """

    marker: str


@dataclass(frozen=True)
class Unchanged:
    """Settled when two looks saw the same version: for stores whose times say nothing.

    Attributes:
        seconds: Between the two looks, at least.
    """

    seconds: float


Settling = Quiet | Marked | Unchanged
Sightings = Mapping[str, tuple[str, float]]
"""By URI, which version was seen and since when, in seconds since the epoch."""


@dataclass
class Settlement:
    """Tells settled objects from others in one look, and what the look after it has to know.

    Attributes:
        settling: The rule.
        now: In seconds since the epoch.
        earlier: What looks before saw; only ``Unchanged`` asks for it.
        sightings: What this look saw.
        again_at: When the first of what is not settled may be, in seconds since the epoch.
    """

    settling: Settling
    now: float
    earlier: Sightings = field(default_factory=dict)
    sightings: dict[str, tuple[str, float]] = field(default_factory=dict)
    again_at: float | None = None
    _marked: set[str] = field(default_factory=set)

    def is_marker(self, found: SourceObject) -> bool:
        """Whether it marks its folder; it is not data then."""
        if not isinstance(self.settling, Marked):
            return False
        folder, _, name = found.uri.rpartition("/")
        if name != self.settling.marker:
            return False
        self._marked.add(folder)
        return True

    def is_settled(self, found: SourceObject) -> bool:
        """Whether a run may have it; with markers, once all were seen."""
        match self.settling:
            case Quiet(seconds):
                # A clock may be ahead by minutes; a time of next year is none, and would be waited for for ever.
                sane = found.changed < self.now + NONSENSE_SECONDS and not found.version.startswith(NUMBER)
                return not sane or self._since(found.changed, seconds)
            case Unchanged(seconds):
                version, since = self.earlier.get(found.uri, ("", 0.0))
                if version != found.version:
                    since = self.now
                self.sightings[found.uri] = (found.version, since)
                return self._since(since, seconds)
            case Marked():
                folder = found.uri.rpartition("/")[0]
                while folder:
                    if folder in self._marked:
                        return True
                    folder = folder.rpartition("/")[0]
                return False

    def _since(self, begin: float, seconds: float) -> bool:
        ready = begin + seconds
        if self.now >= ready:
            return True
        self.again_at = ready if self.again_at is None else min(self.again_at, ready)
        return False


def settling_of(settle: timedelta | Settling) -> Settling:
    """Return a rule; a time alone is a quiet period."""
    return Quiet(settle.total_seconds()) if isinstance(settle, timedelta) else settle
