"""When to wake a pipeline again that was woken before."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_ml_provider.decisions.data.new_data import Look

SHORTEST_SECONDS, LONGEST_SECONDS = 10.0, 600.0
"""Between two wake-ups for the same; a run takes some seconds from the event to its claim."""


@dataclass
class WakeUps:
    """Wakes at once for what is new, and again, less and less often, while nobody claims it.

    A pipeline that was paused, or whose run is still queued, does not answer; many events would make many runs of it.

    Attributes:
        poll: How long from one look to the next, in seconds.
    """

    poll: float
    _claims: int = -1
    _again_at: float = 0.0
    _pause: float = 0.0

    def is_due(self, *, claims: int, seen: Look, now: float) -> bool:
        """Whether to wake now.

        Args:
            claims: How many claims there were so far.
            seen: What the look found.
            now: In seconds since the epoch.
        """
        if not seen.new:
            return False
        if claims != self._claims:
            # Somebody claimed since, and something is left or came: begin anew.
            self._claims, self._pause = claims, max(self.poll, SHORTEST_SECONDS)
        elif now < self._again_at:
            return False
        else:
            self._pause = min(2 * self._pause, LONGEST_SECONDS)
        self._again_at = now + self._pause
        return True
