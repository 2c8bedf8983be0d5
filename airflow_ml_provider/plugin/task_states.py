"""Which state of a mapped stage's task instances is shown for all."""

from __future__ import annotations

from collections.abc import Iterable

# The first of these that one of them has; what is not named comes last.
_SAYS_MOST = (
    *("failed", "upstream_failed", "awaiting_input", "running", "restarting", "up_for_retry", "up_for_reschedule"),
    *("deferred", "queued", "scheduled", "removed", "skipped", "success"),
)


def rank(state: str) -> int:
    """Return the place of a state: the lower, the more it says."""
    return _SAYS_MOST.index(state) if state in _SAYS_MOST else len(_SAYS_MOST)


def says_most(states: Iterable[str]) -> str:
    """Return of some states the one that says most, empty of none."""
    return min((state for state in states if state), key=rank, default="")
