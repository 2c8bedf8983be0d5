"""What of a container's log is shown: each line once, and where lines are missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from airflow_ml_provider.decisions.pods.log_lines import LogLines
from airflow_ml_provider.decisions.pods.log_position import TAIL_LINES, LogMark, LogPosition
from airflow_ml_provider.decisions.pods.outage import Outage


class ShownLine(NamedTuple):
    """A line for the task's log.

    Attributes:
        text: What it says.
        is_warning: Whether it is about lines that are missing, and not of the container.
    """

    text: str
    is_warning: bool = False


class LogReading:
    """One container's log, read across broken connections.

    Args:
        mark: How far another process read it, ``None`` when none did.
        tail: The last lines that it read.

    Attributes:
        tail: The last 20 lines.
    """

    def __init__(self, mark: LogMark | None = None, tail: Iterable[str] = ()) -> None:
        self.tail: deque[str] = deque(tail, maxlen=TAIL_LINES)
        self._position = LogPosition.at(mark or LogMark())
        self._refusal = Outage()

    @property
    def mark(self) -> LogMark:
        """How far the log was read."""
        return self._position.mark()

    @property
    def lines(self) -> int:
        """How many lines were looked at."""
        return self._position.lines

    def since(self) -> str | None:
        """Begin a request: return the time of its first line in whole seconds, ``None`` for the whole log."""
        return self._position.since()

    def answered(self) -> None:
        """Take that Kubernetes gave the log, or a line of it."""
        self._refusal.over()

    def is_refused_for_good(self, *, now: float, last_look: bool) -> bool:
        """Take that Kubernetes refused the log; returns whether a right is missing.

        A server that has just started also refuses what it allows in a moment.

        Args:
            now: The time in seconds on any clock that only goes forward.
            last_look: Whether nobody waits for the pod any more.
        """
        self._refusal.begins(now=now)
        return self._refusal.is_too_long(refused=True, now=now) or (last_look and not self.tail)

    def take(self, line: str) -> Iterator[ShownLine]:
        """Take a line with its time before it, and yield what to show."""
        text = self._position.new_text(line)
        yield from self._missing()
        if text is not None:
            self.tail.append(text)
            yield ShownLine(text)

    def end(self, lines: LogLines) -> Iterator[ShownLine]:
        """Take that the log was read to its end without following, and yield what to show."""
        for line in lines.rest():
            yield from self.take(line)
        self._position.ended()
        yield from self._missing()

    def cut(self, lines: LogLines) -> None:
        """Take that a stream ended, perhaps within a line, which then comes again."""
        for line in lines.rest():
            self._position.hold(line)

    def _missing(self) -> Iterator[ShownLine]:
        for line in self._position.take_lost():
            yield ShownLine(line, is_warning=True)
