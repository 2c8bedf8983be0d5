"""What comes of a container's log, chunk by chunk, as lines."""

from __future__ import annotations

from collections.abc import Iterator

LINE_LIMIT_BYTES = 16 * 1024
"""What of a line is kept, its time not counted."""
_STAMP_BYTES = 64


class LogLines:
    """Puts chunks together to lines; of a line without end no more than its beginning is held."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Take a chunk and yield the lines that it ends."""
        *ended, begun = chunk.split(b"\n")
        for part in ended:
            self._take(part)
            yield self._line()
        self._take(begun)

    def rest(self) -> Iterator[str]:
        """Yield what came after the last line's end: the last line of a log may have none."""
        if self._size:
            yield self._line()

    def _take(self, part: bytes) -> None:
        room = LINE_LIMIT_BYTES + _STAMP_BYTES - len(self._begun)
        self._begun += part[: max(0, room)]
        self._size += len(part)

    def _line(self) -> str:
        text = self._begun.decode("utf-8", errors="replace")
        if self._size > len(self._begun):
            text += f" ... (cut, the line has {self._size:,} bytes)"
        self._begun.clear()
        self._size = 0
        return text
