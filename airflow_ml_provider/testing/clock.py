"""A clock that moves only when it is asked to."""

from __future__ import annotations


class FakeClock:
    """Stands in for the module ``time`` where code reads the time or sleeps.

    ``sleep`` returns at once and moves the clock on, so that minutes of waiting are tested in no time::

        monkeypatch.setattr("my_stages.download.time", FakeClock())

    Args:
        now: What ``time`` returns first, in seconds since the epoch.

    Attributes:
        slept: Every pause so far, in seconds.
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._moved = 0.0
        self.slept: list[float] = []

    def time(self) -> float:
        """Return the time in seconds since the epoch."""
        return self._now + self._moved

    def monotonic(self) -> float:
        """Return seconds since some moment; never less than before."""
        return self._moved

    def sleep(self, seconds: float) -> None:
        """Move the clock on.

        Raises:
            ValueError: The time to sleep is less than 0.
        """
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.slept.append(seconds)
        self._moved += seconds

    def advance(self, seconds: float) -> None:
        """Move the clock on, as time passes while code does something else."""
        self._moved += seconds
