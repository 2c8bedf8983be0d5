"""Samples of what a server was asked and what it answered, as rows in the store, for monitoring."""

from __future__ import annotations

import datetime as dt
import queue
import random
import socket
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.objects import write_object
from airflow_ml_provider.runtime.stages.serve.logged_rows import Rows, rows_of, to_parquet

if TYPE_CHECKING:
    from airflow_ml_provider.runtime.stages.serve.counters import Counters

EVERY_SECONDS = 10.0
"""How long a row waits at most before it is written."""
SUFFIX = ".requests.parquet"
_ROWS = 5_000
_FILE_BYTES = 8 * 1024 * 1024
"""What a file holds at most, as it was asked and answered."""
_WAITING = 1_000
_SIZE_LIMIT = 1024 * 1024
_BYTES = 32 * 1024 * 1024
"""What may wait for the store."""
_MINUTE, _MINUTE_BYTES = 60.0, 64 * 1024 * 1024
"""What is kept of a minute."""


class RequestLog:
    """Writes rows to ``<uri>/<day>/<time>-<host>-<number>.requests.parquet`` from a thread of its own.

    What exceeds its budgets, or comes faster than the store takes it, is left out, and counted: no request waits for
    the log.

    Args:
        uri: The folder in the store.
        model: ``name`` and ``version``.
        share: Which part of the requests is kept, above 0 and at most 1.
        columns: The types of the columns that are kept, of the model's signature; ``None`` where it has none.
        counters: Where is counted what is left out.
    """

    def __init__(
        self,
        uri: str,
        *,
        model: Mapping[str, str],
        share: float,
        columns: Mapping[str, str] | None,
        counters: Counters,
    ) -> None:
        self._uri = uri
        self._model = model
        self._share = share
        self._columns = columns
        self._counters = counters
        self._waiting: queue.Queue[tuple[float, bytes, bytes, float] | None] = queue.Queue(_WAITING)
        self._number = 0
        self._lock = threading.Lock()
        self._bytes = 0
        self._minute, self._minute_bytes = 0.0, 0
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wants_one(self) -> bool:
        """Whether the next request is to be kept."""
        return random.random() < self._share  # noqa: S311 - a sample, no secret

    def add(self, asked: bytes, said: bytes, *, seconds: float) -> None:
        """Keep a request and its answer."""
        size = len(asked) + len(said)
        with self._lock:
            if not self._fits(size):
                self._dropped += 1
                self._counters.unlogged += 1
                return
            self._bytes += size
            self._minute_bytes += size
        self._waiting.put((time.time(), asked, said, seconds))

    def close(self) -> None:
        """Write what is left."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=1.0)
        self._thread.join(EVERY_SECONDS)

    def _fits(self, size: int) -> bool:
        if time.monotonic() - self._minute >= _MINUTE:
            self._minute, self._minute_bytes = time.monotonic(), 0
        return (
            size <= _SIZE_LIMIT
            and self._bytes + size <= _BYTES
            and self._minute_bytes + size <= _MINUTE_BYTES
            and not self._waiting.full()
        )

    def _run(self) -> None:
        pieces: list[Rows] = []
        since, going, held = time.monotonic(), True, 0
        while going:
            with_deadline = max(0.05, EVERY_SECONDS - (time.monotonic() - since))
            try:
                found = self._waiting.get(timeout=with_deadline)
                going = found is not None
                if found is not None:
                    at, asked, said, seconds = found
                    held += len(asked) + len(said)
                    made = rows_of(asked, said, at=at, seconds=seconds, columns=self._columns)
                    pieces += [] if made is None else [made]
            except queue.Empty:
                pass
            is_full = sum(piece.count for piece in pieces) >= _ROWS or held >= _FILE_BYTES
            if pieces and (not going or is_full or time.monotonic() - since >= EVERY_SECONDS):
                self._write(pieces)
                pieces = []
            if not pieces:
                since = time.monotonic()
                # What waits in the queue and what waits here is one sum: it is given back once it is written.
                self._give_back(held)
                held = 0

    def _give_back(self, size: int) -> None:
        with self._lock:
            self._bytes -= size
            dropped, self._dropped = self._dropped, 0
        if dropped:
            print(
                f"{dropped} requests are not in the request log: they are too large, or came faster than it is written",
                flush=True,
            )

    def _write(self, pieces: list[Rows]) -> None:
        self._number += 1
        now = dt.datetime.now(tz=dt.timezone.utc)  # noqa: UP017 - Python 3.10
        name = f"{now:%H%M%S}-{socket.gethostname()}-{uuid.uuid4().hex[:6]}-{self._number}{SUFFIX}"
        try:
            content = to_parquet(pieces, columns=self._columns, version=self._model["version"])
            write_object(join(self._uri, f"{now:%Y-%m-%d}", name), content)
        except StoreError as error:
            lost = sum(piece.count for piece in pieces)
            print(f"{lost} rows of the request log are lost: {error}", file=sys.stderr, flush=True)
