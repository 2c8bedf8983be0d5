"""The one port of an endpoint on this machine: each connection goes to the servers whose turn it is.

``python -m airflow_ml_provider.runtime.stages.serve.front FOLDER``: the folder's ``serving.json`` says what serves, and
``servers/`` where. Both are read for each connection, so a change holds from the next one on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SERVING, SERVERS, FRONT = "serving.json", "servers", "front.json"
HOST = "127.0.0.1"
_BLOCK = 64 * 1024
_READ_SECONDS = 2.0
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)


def turn(serving: Mapping[str, Any], ports: Mapping[str, list[int]], *, chance: float) -> list[int]:
    """Return the servers that one connection may go to, the first to be tried first.

    Args:
        serving: What serves.
        ports: Where the servers of each revision listen.
        chance: From 0 to 1; below the candidate's part the connection is the candidate's.
    """
    order = ["candidate", "stable"] if chance * 100 < serving["percent"] else ["stable"]
    found = [list(ports.get(serving[whose]["name"], ())) for whose in order if serving[whose] is not None]
    for group in found:
        random.shuffle(group)
    return [port for group in found for port in group]


async def _connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, folder: Path) -> None:
    for port in _now(folder):
        try:
            inner_reader, inner_writer = await asyncio.open_connection(HOST, port)
        except (OSError, OverflowError, TypeError):
            continue
        asking = asyncio.create_task(_pass(reader, inner_writer))
        await _pass(inner_reader, writer)
        for each in (writer, inner_writer):
            each.close()
        await asking
        return
    # A connection that is closed before its request is read is reset, and its answer lost.
    with contextlib.suppress(OSError, asyncio.TimeoutError):
        await asyncio.wait_for(reader.read(_BLOCK), _READ_SECONDS)
    writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await reader.read(_BLOCK):
            writer.write(block)
            await writer.drain()
        # One that has asked all it wants may still read.
        writer.write_eof()


def _now(folder: Path) -> list[int]:
    ports: dict[str, list[int]] = {}
    for path in sorted((folder / SERVERS).glob("*.json")):
        with contextlib.suppress(*_UNREADABLE):
            server = json.loads(path.read_text(encoding="utf-8"))
            ports.setdefault(server["revision"], []).append(server["port"])
    try:
        serving = json.loads((folder / SERVING).read_text(encoding="utf-8"))["serving"]
        return turn(serving, ports, chance=random.random())  # noqa: S311 - whose turn it is, no secret
    except _UNREADABLE:
        return []


async def _serve(folder: Path, port: int) -> None:
    listener = socket.create_server((HOST, port), backlog=512)
    server = await asyncio.start_server(lambda reader, writer: _connected(reader, writer, folder), sock=listener)
    listening = {"port": listener.getsockname()[1], "pid": os.getpid()}
    part = folder / f"{FRONT}.part"
    part.write_text(json.dumps(listening), encoding="utf-8")
    part.replace(folder / FRONT)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
