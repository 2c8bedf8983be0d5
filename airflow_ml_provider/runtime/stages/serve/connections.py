"""uvicorn's connections, with what it does not bound: slow headers, long headers, answers that nobody reads.

uvicorn bounds the headers' size and closes a connection that is idle after an answer; it waits for ever for the end of
headers and of an answer's reading (https://www.uvicorn.org/settings/#timeouts).
"""

from __future__ import annotations

import asyncio
import http
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_BYTES = 16 * 1024
HEADER_SECONDS = 10.0
"""How long the headers of a request may take, from the connection's begin or from their first byte."""
READ_SECONDS = 30.0
"""How long a client may read nothing of its answer."""


class BoundedConnection(H11Protocol):
    """A connection that ends when its client is slow."""

    _header_deadline: asyncio.TimerHandle | None = None
    _read_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        _cancel(self._header_deadline)
        _cancel(self._read_deadline)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Handle what came."""
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            _cancel(self._header_deadline)
            self._header_deadline = None
        elif self.conn.trailing_data[0]:
            self._await_headers()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._read_deadline = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        _cancel(self._read_deadline)
        self._read_deadline = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, or has too long headers, with the status that h11 gives."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()
            return
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        self._end(status, msg)

    def _await_headers(self) -> None:
        if self._header_deadline is None:
            self._header_deadline = self.loop.call_later(HEADER_SECONDS, self._headers_are_late)

    def _headers_are_late(self) -> None:
        self._header_deadline = None
        if not self.transport.is_closing():
            self._end(408, f"The headers took more than {HEADER_SECONDS:g} s.")

    def _end(self, status: int, message: str) -> None:
        phrase = http.HTTPStatus(status).phrase
        head = f"HTTP/1.1 {status} {phrase}\r\nconnection: close\r\ncontent-type: text/plain\r\n"
        self.transport.write(f"{head}content-length: {len(message)}\r\n\r\n{message}".encode("ascii"))
        self.transport.close()


def _cancel(handle: asyncio.TimerHandle | None) -> None:
    if handle is not None:
        handle.cancel()
