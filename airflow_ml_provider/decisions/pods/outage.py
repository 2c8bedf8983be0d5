"""How long a cluster that does not answer, or refuses what it allowed before, is tolerated."""

from __future__ import annotations

AWAY_SECONDS = 900.0
"""How long the API server may be away before following a pod ends; a running pod does not need it."""

REFUSED_SECONDS = 60.0
"""How long it may refuse what it allowed before: one that has just started does until it has read its roles."""


class Outage:
    """Measures an outage from its first failure to the next success."""

    def __init__(self) -> None:
        self._since: float | None = None

    def over(self) -> None:
        """Take that the cluster answered."""
        self._since = None

    def begins(self, *, now: float) -> bool:
        """Take that it failed; returns whether this is the first failure of an outage.

        Args:
            now: The time in seconds on any clock that only goes forward.
        """
        if self._since is not None:
            return False
        self._since = now
        return True

    def is_too_long(self, *, refused: bool, now: float) -> bool:
        """Whether to bear with it no more.

        Args:
            refused: Whether the cluster refuses, and is not away.
            now: As for ``begins``.
        """
        return self._since is not None and now - self._since > (REFUSED_SECONDS if refused else AWAY_SECONDS)
