"""The study's door: workers ask over HTTP, and find it by what it leaves in the store."""

from __future__ import annotations

import hmac
import json
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.objects import create_object
from airflow_ml_provider.runtime.errors import shortened
from airflow_ml_provider.runtime.patience import patiently

ADDRESS = "_study.json"
"""Next to the attempt's other files: ``{"url": ..., "token": ...}``."""
BODY_LIMIT_BYTES = 1024 * 1024
_DISCARDED_BYTES = 64 * 1024 * 1024
"""How much of a body over the limit is read nevertheless: a client that still sends sees no answer."""

Methods = Mapping[str, Callable[..., Any]]


@contextmanager
def serving(methods: Methods, *, attempt_uri: str, local: bool) -> Iterator[None]:
    """Serve methods by name while the block runs; the attempt's folder says where.

    Args:
        methods: Functions of JSON values that return JSON values.
        attempt_uri: The attempt's folder; who may read the store may ask the study.
        local: Whether all workers are on this machine.
    """
    token = secrets.token_urlsafe(32)
    host = "127.0.0.1" if local else _address()
    server = _Server(host, methods=methods, token=token)
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="study")
    thread.start()
    try:
        name = f"[{host}]" if ":" in host else host
        address = json.dumps({"url": f"http://{name}:{server.server_address[1]}", "token": token}).encode()
        patiently(lambda: create_object(join(attempt_uri, ADDRESS), address), what="Publishing the study's address")
        yield
    finally:
        server.shutdown()
        server.server_close()


def _address() -> str:
    # The kubelet writes a pod's own address next to its name into /etc/hosts.
    found = str(socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)[0][4][0])
    if not found.startswith("127."):
        return found
    # A pod on its node's network has the node's own file: the address is that of the way out.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way_out:
        way_out.connect(("192.0.2.1", 9))
        return str(way_out.getsockname()[0])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, *, methods: Methods, token: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.methods = methods
        self.token = token
        super().__init__((host, 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a worker that went away; its trial is begun again."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A worker that is silent in the middle of a request holds no thread for ever.
    timeout = 60
    server: _Server

    def do_POST(self) -> None:
        """Call a method."""
        given_token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given_token.encode(), self.server.token.encode()):
            self._refuse(401, "the token is another study's")
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > BODY_LIMIT_BYTES:
            self._discard(int(length) if length.isdecimal() else 0)
            self._refuse(413, f"a body of {length or 'unknown'} bytes; at most {BODY_LIMIT_BYTES:,} are read")
            return
        try:
            given = json.loads(self.rfile.read(int(length)))
        except ValueError as error:
            self._refuse(400, f"the body is not JSON: {error}")
            return
        method = self.server.methods.get(self.path.removeprefix("/"))
        if method is None or not isinstance(given, dict):
            self._refuse(404, "there is no such method, or the body is not an object")
            return
        try:
            answer = json.dumps(method(**given) or {}).encode()
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must hear of it, and the log
            self._refuse(500, f"{type(error).__name__}: {shortened(str(error))}")
            return
        self._send(200, answer)

    def _discard(self, length: int) -> None:
        left = min(length, _DISCARDED_BYTES)
        while left > 0 and (read := len(self.rfile.read(min(left, BODY_LIMIT_BYTES)))):
            left -= read

    def _refuse(self, status: int, why: str) -> None:
        print(f"The study answered {self.path} of {self.client_address[0]} with {status}: {why}", flush=True)
        self.close_connection = True
        self._send(status, json.dumps({"error": why}).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: the study reports what happens."""
