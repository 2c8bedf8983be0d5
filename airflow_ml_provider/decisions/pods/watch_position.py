"""Where the watch of pods goes on: at the resource version that was seen last, or with a list."""

from __future__ import annotations

from typing import NamedTuple

from airflow_ml_provider.decisions.pods.outage import Outage

PAUSE_SECONDS = (0.2, 2.0)
"""The least and the most to wait after a failure; a value between them, so that watchers do not come back together."""


class WatchFailure(NamedTuple):
    """A failure of a watch.

    Attributes:
        first: Whether it begins an outage.
        too_long: Whether the outage is tolerated no longer.
    """

    first: bool
    too_long: bool


class WatchPosition:
    """A watch that ends in order is resumed at its resource version.

    One that ended without a sign of life, broke or expired is followed by a list, so that a change is seen within a
    minute even if no watch works. See https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes.

    Attributes:
        version: The resource version to watch from, ``None`` when a list has to come first.
    """

    def __init__(self) -> None:
        self.version: str | None = None
        self._alive = False
        self._outage = Outage()

    def begin(self, version: str) -> None:
        """Take that the cluster answered, and that a watch begins at this version."""
        self._outage.over()
        self._alive = False
        self.version = version

    def see(self, version: str) -> None:
        """Take the version of an event, a bookmark's too."""
        self._alive = True
        self.version = version

    def end(self) -> None:
        """Take that the watch ended in order."""
        if not self._alive:
            self.version = None

    def expire(self) -> None:
        """Take that the version is too old."""
        self.version = None

    def fail(self, *, refused: bool, now: float) -> WatchFailure:
        """Take that the cluster did not answer, or refused.

        Args:
            refused: Whether it refused.
            now: The time in seconds on any clock that only goes forward.
        """
        self.version = None
        return WatchFailure(self._outage.begins(now=now), self._outage.is_too_long(refused=refused, now=now))
