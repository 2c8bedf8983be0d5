"""Clients that do not read their answers, against the connections of endpoints on a real uvicorn."""

import asyncio
import socket
import threading
import time

import pytest
import uvicorn

from airflow_ml_provider.runtime.stages.serve import connections
from airflow_ml_provider.testing.airflow_api import wait_until

CHUNK, CHUNKS = b"x" * 65536, 400
SECONDS = 1.0


class Server:
    """Answers with 25 MiB, and notes how each answer ended."""

    def __init__(self):
        self.ends = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        config = uvicorn.Config(
            self._app, http=connections.BoundedConnection, ws="none", interface="asgi3", log_level="error"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listening]}, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started, what="uvicorn", seconds=30, every=0.05)

    async def _app(self, scope, receive, send):
        if scope["type"] != "http":
            return
        await receive()
        gone = asyncio.create_task(receive())
        length = str(len(CHUNK) * CHUNKS).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for number in range(CHUNKS):
            await send({"type": "http.response.body", "body": CHUNK, "more_body": number < CHUNKS - 1})
            if gone.done():
                self.ends.append("cut")
                return
        self.ends.append("whole")

    def connected(self):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", self.port))
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        return client

    def close(self):
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(connections, "READ_SECONDS", SECONDS)
    found = Server()
    yield found
    found.close()


def read(client, *, pause):
    """Read to the end, a part after each pause; returns how much came."""
    got = 0
    while True:
        time.sleep(pause)
        try:
            block = client.recv(1 << 20)
        except ConnectionResetError:
            return got
        if not block:
            return got
        got += len(block)


def test_who_reads_nothing_is_cut(server):
    with server.connected() as client:
        wait_until(lambda: server.ends == ["cut"], what="the end of the answer", seconds=SECONDS + 20, every=0.05)
        assert read(client, pause=0) < len(CHUNK) * CHUNKS


def test_who_reads_slowly_gets_the_whole_answer(server):
    with server.connected() as client:
        begun = time.monotonic()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        assert read(client, pause=0.05) > len(CHUNK) * CHUNKS
        assert time.monotonic() - begun > SECONDS
    assert server.ends == ["whole"]
