"""How far a container's log was read, so that each line is told once across broken connections."""

from __future__ import annotations

import datetime as dt
import math
import re

from airflow_ml_provider.decisions.pod_state import PodState

_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")

TAIL_LINES = 20
"""Lines of a log that a failure shows."""

REPEATED_LINES = 1000
"""Lines that are told again when a log is taken up that another process followed before."""

_TAKEN_UP_AFTER = dt.timedelta(seconds=60)


def lines_to_repeat(started_at: str, now: dt.datetime) -> int | None:
    """Return how many of its last lines a log is followed from, ``None`` for all.

    Who comes to a container that has run for a while follows another process that died, and nobody knows how far that
    one had read.

    Args:
        started_at: When the container started, in RFC 3339; empty when that is not known.
        now: The time now.
    """
    if not started_at:
        return None
    return REPEATED_LINES if now - _moment(started_at) > _TAKEN_UP_AFTER else None


def rest_seconds(state: PodState | None) -> float:
    """Return how long the rest of a log is awaited, in seconds, once there is nothing more to wait for of its pod.

    Args:
        state: The pod's last state. Of a pod that was deleted before its container ended there is seldom a rest.
    """
    return 10.0 if state is not None and state.ended else 2.0


class LogPosition:
    """How far a log was read: the time of its last line, and how many lines have that very time.

    Kubernetes can start a log at a second only, so lines that were read already come again and are told apart here.
    """

    def __init__(self) -> None:
        self._last = ""
        self._at_last = 0
        self._skip = 0
        self._gap: tuple[str, str] | None = None

    def take_gap(self) -> str | None:
        """Return once, for people, between which times lines are missing; ``None`` while none are known to be.

        A log that is read on begins with the line that was read last; when it does not, the node has thrown that line
        away, and what came after it: https://kubernetes.io/docs/concepts/cluster-administration/logging/#log-rotation.
        """
        found, self._gap = self._gap, None
        if found is None:
            return None
        return (
            f"WARNING: lines of the container's log between {found[0]} and {found[1]} are missing: the node had "
            f"rotated them away before they were read (containerLogMaxSize, containerLogMaxFiles of its kubelet)"
        )

    def rewind(self, now: dt.datetime) -> int | None:
        """Return the age in seconds from which to read on, ``None`` to read from the start."""
        self._skip = self._at_last
        if not self._last:
            return None
        return max(1, math.ceil((now - _moment(self._last)).total_seconds()) + 1)

    def new_text(self, line: str) -> str | None:
        """Return what a line says when it was not told yet, ``None`` when it was.

        The kubelet's own errors come without a time; they are told and change nothing.
        """
        stamp, _, text = line.partition(" ")
        if not _STAMP.match(stamp):
            return line
        return text if self.take(stamp) else None

    def take(self, stamp: str) -> bool:
        """Whether the line with this time is new."""
        if stamp < self._last:
            return False
        if stamp > self._last:
            if self._skip:
                self._gap = (self._last, stamp)
            self._last, self._at_last, self._skip = stamp, 1, 0
            return True
        if self._skip:
            self._skip -= 1
            return False
        self._at_last += 1
        return True


def _moment(stamp: str) -> dt.datetime:
    zone = "+00:00" if stamp.endswith("Z") else stamp[-6:]
    return dt.datetime.fromisoformat(stamp[:19] + zone)
