"""What is let in to a server that strangers may call: an ASGI application before another."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.runtime.stages.serve.request_shape import RefusedRequestError, require_fitting

if TYPE_CHECKING:
    from airflow_ml_provider.protocol.serving import RequestLimits
    from airflow_ml_provider.runtime.stages.serve.counters import Counters

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Message, Receive, Send], Awaitable[None]]

INVOCATIONS = "/invocations"
PUBLIC_PATHS = (INVOCATIONS, "/ping", "/health", "/version")
_AT_ONCE = 16
"""How many of the largest bodies are held at once."""
_LINGER_SECONDS = 5.0
"""How long what a client still sends is thrown away, so that it reads why: a closed connection would say nothing."""


class Admission:
    """Lets a request in when its path is public, its token right, and its body within the limits.

    What it lets in has its whole body in one message.

    Args:
        app: The application that is asked.
        limits: What a request may be.
        counters: Where refused requests are counted.
        names: The columns of the model's signature.
        token: The bearer token that requests have to bring; empty where none is asked for.
    """

    def __init__(
        self, app: App, *, limits: RequestLimits, counters: Counters, names: Collection[str] = (), token: str = ""
    ) -> None:
        self._app = app
        self._limits = limits
        self._counters = counters
        self._names = names
        self._token = token.encode()
        self._held = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        arrived = False
        try:
            self._require_admitted(scope, headers)
            if scope["path"] != INVOCATIONS:
                await self._app(scope, receive, send)
                return
            if b"content-type" not in headers:
                headers[b"content-type"] = b"application/json"
            scope = {**scope, "headers": list(headers.items())}
            size = self._size(headers)
            if self._held + size > _AT_ONCE * self._limits.body:
                raise RefusedRequestError(503, "the server holds as many requests as it may: try again in a second")
            self._held += size
            try:
                body = await self._body(receive)
                arrived = True
                if body is not None:
                    content_type = headers[b"content-type"].decode("latin-1")
                    await asyncio.to_thread(require_fitting, body, content_type, self._limits, names=self._names)
                    await self._app(scope, _received(body, receive), send)
            finally:
                self._held -= size
        except RefusedRequestError as refused:
            if scope["path"] == INVOCATIONS:
                self._counters.count(status=refused.status, seconds=0.0)
            await send(_head(refused, closes=not arrived))
            await send({"type": "http.response.body", "body": _said(refused), "more_body": not arrived})
            if not arrived:
                await self._linger(headers, receive)
                await send({"type": "http.response.body", "body": b""})

    def _require_admitted(self, scope: Message, headers: dict[bytes, bytes]) -> None:
        if scope["path"] not in PUBLIC_PATHS:
            raise RefusedRequestError(404, f"there is nothing here but {', '.join(PUBLIC_PATHS)}")
        if scope["path"] != INVOCATIONS:
            return
        if self._token:
            scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
            if not (hmac.compare_digest(token.strip(), self._token) and scheme.lower() == b"bearer"):
                raise RefusedRequestError(401, "the request has not the endpoint's bearer token")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise RefusedRequestError(415, "the body is encoded: send it as it is")

    def _size(self, headers: dict[bytes, bytes]) -> int:
        """Return how many bytes a body may have at most: what its header says, or the limit."""
        said = headers.get(b"content-length")
        if said is None:
            return self._limits.body
        # h11 has refused what is not a number.
        if int(said) > self._limits.body:
            raise RefusedRequestError(413, f"the body has {int(said)} bytes: {self._limits.body} are taken at most")
        return int(said)

    async def _body(self, receive: Receive) -> bytes | None:
        """Return the whole body, ``None`` when the client is gone."""
        limits = self._limits
        try:
            return await asyncio.wait_for(_whole(receive, limits.body), limits.seconds)
        except asyncio.TimeoutError:  # noqa: UP041 - Python 3.10
            raise RefusedRequestError(408, f"the request took more than {limits.seconds:g} s to arrive") from None

    async def _linger(self, headers: dict[bytes, bytes], receive: Receive) -> None:
        """Take what a client still sends, for a moment: one that cannot send does not read its answer."""
        if b"expect" not in headers:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(_thrown_away(receive, _AT_ONCE * self._limits.body), _LINGER_SECONDS)


def _head(refused: RefusedRequestError, *, closes: bool) -> Message:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_said(refused))).encode())]
    if closes:
        headers.append((b"connection", b"close"))
    if refused.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refused.status == 503:
        headers.append((b"retry-after", b"1"))
    return {"type": "http.response.start", "status": refused.status, "headers": headers}


def _said(refused: RefusedRequestError) -> bytes:
    return json.dumps({"error_code": "REFUSED", "message": str(refused)}).encode()


async def _whole(receive: Receive, limit: int) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > limit:
            raise RefusedRequestError(413, f"the body has more than {limit} bytes")
        if not message.get("more_body"):
            return bytes(body)


async def _thrown_away(receive: Receive, most: int) -> None:
    thrown = 0
    while thrown < most:
        message = await receive()
        thrown += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return


def _received(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return messages.pop() if messages else await receive()

    return received
