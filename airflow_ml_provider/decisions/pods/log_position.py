"""How far a container's log was read, so that each line is logged once across broken connections."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from airflow_ml_provider.decisions.pods.pod_state import PodState

_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")

TAIL_LINES = 20
"""Lines of a log that a failure shows."""

REPEATED_LINES = 1000
"""Lines that are logged again when a log is taken up that another process followed before."""

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


_LONGEST_REST_SECONDS = 120.0


def longest_rest_seconds(state: PodState | None) -> float:
    """Return how long, in seconds, the rest of a log is read while lines come, once nobody waits for its pod any more.

    As KubernetesPodOperator does for a container that has ended; one that still runs may write for ever.

    Args:
        state: The pod's last state.
    """
    return _LONGEST_REST_SECONDS if state is not None and state.ended else rest_seconds(state)


def rest_seconds(state: PodState | None) -> float:
    """Return how long no line may come, in seconds, before the rest of a log is given up.

    Args:
        state: The pod's last state. Of a pod that was deleted before its container ended there is seldom a rest.
    """
    return 10.0 if state is not None and state.ended else 2.0


@dataclass(frozen=True)
class LogMark:
    """How far a log was read.

    Attributes:
        time: The time of the last line, as Kubernetes writes it; empty before the first.
        lines: How many lines of that very time were read.
    """

    time: str = ""
    lines: int = 0


class LogPosition:
    """How far a log was read: the time of its last line, and how many lines have that very time.

    Kubernetes can start a log at a second only, so lines that were read already come again and are distinguished here.

    Attributes:
        lines: How many lines were looked at.
    """

    def __init__(self) -> None:
        self.lines = 0
        self._last = ""
        self._at_last = 0
        self._skip = 0
        self._held = ""
        self._lost: list[str] = []

    def mark(self) -> LogMark:
        """Return how far the log was read, for who reads on."""
        return LogMark(self._last, self._at_last)

    @classmethod
    def at(cls, mark: LogMark) -> LogPosition:
        """Return the position that a mark stands for."""
        position = cls()
        position._last, position._at_last = mark.time, mark.lines
        return position

    def since(self) -> str | None:
        """Begin to read on: return the time of the last line in whole seconds, ``None`` to read from the start."""
        self._skip = self._at_last
        return f"{self._last[:19]}{_zone(self._last)}" if self._last else None

    def hold(self, line: str) -> None:
        """Keep the beginning of a line within which a stream was cut; it counts if the line does not come again."""
        stamp, _, text = line.partition(" ")
        self._held = text if _STAMP.match(stamp) and stamp >= self._last else ""

    def ended(self) -> None:
        """Note that a log without further lines was read to its end."""
        if self._skip:
            self._lose(f"after {self._last}", "may be")

    def take_lost(self) -> list[str]:
        """Return once, for people, what is lost: the beginning of a line that was cut, and where lines are missing.

        A log that is read on begins with the line that was read last; when it does not, the node has thrown that line
        away, and what came after it: https://kubernetes.io/docs/concepts/cluster-administration/logging/#log-rotation.
        """
        found, self._lost = self._lost, []
        return found

    def _lose(self, where: str, are: str) -> None:
        if self._held:
            self._lost.append(f"{self._held} ... (cut, its end is missing)")
        self._lost.append(
            f"WARNING: lines of the container's log {where} {are} missing: what the node keeps of it begins later "
            f"(containerLogMaxSize, containerLogMaxFiles of its kubelet)"
        )

    def new_text(self, line: str) -> str | None:
        """Return what a line says when it was not logged yet, ``None`` when it was.

        The kubelet's own errors come without a time; they are logged and change nothing.
        """
        self.lines += 1
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
                self._lose(f"between {self._last} and {stamp}", "are")
            self._last, self._at_last, self._skip, self._held = stamp, 1, 0, ""
            return True
        if self._skip:
            self._skip -= 1
            return False
        self._at_last += 1
        return True


def _moment(stamp: str) -> dt.datetime:
    return dt.datetime.fromisoformat(stamp[:19] + _zone(stamp))


def _zone(stamp: str) -> str:
    return "+00:00" if stamp.endswith("Z") else stamp[-6:]
