"""Samples of what a server was asked and what it answered, as rows in the store, for monitoring."""

from __future__ import annotations

import datetime as dt
import json
import queue
import random
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.objects import write_object

EVERY_SECONDS = 10.0
"""How long a row waits at most before it is written."""
_ROWS = 5_000
_WAITING = 1_000
_SIZE_LIMIT = 1024 * 1024
_BYTES = 32 * 1024 * 1024
"""What may wait for the store."""

OWN = ("request_id", "row", "requested_at", "model_version", "seconds", "prediction")
"""Columns next to the model's; a column of the model's that is called so gets ``input_`` before its name."""


class RequestLog:
    """Writes rows to ``<uri>/<day>/<time>-<host>-<number>.jsonl`` from a thread of its own.

    What comes faster than the store takes it is left out, and counted: no request waits for the log.

    Args:
        uri: The folder in the store.
        model: ``name`` and ``version``.
        share: Which part of the requests is kept, above 0 and at most 1.
    """

    def __init__(self, uri: str, *, model: Mapping[str, str], share: float) -> None:
        self._uri = uri
        self._model = model
        self._share = share
        self._waiting: queue.Queue[tuple[float, bytes, bytes, float] | None] = queue.Queue(_WAITING)
        self._number = 0
        self._lock = threading.Lock()
        self._bytes = 0
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
            if size > _SIZE_LIMIT or self._bytes + size > _BYTES or self._waiting.full():
                self._dropped += 1
                return
            self._bytes += size
        self._waiting.put((time.time(), asked, said, seconds))

    def close(self) -> None:
        """Write what is left."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=1.0)
        self._thread.join(EVERY_SECONDS)

    def _run(self) -> None:
        rows: list[str] = []
        since, going, held = time.monotonic(), True, 0
        while going:
            with_deadline = max(0.05, EVERY_SECONDS - (time.monotonic() - since))
            try:
                found = self._waiting.get(timeout=with_deadline)
                going = found is not None
                if found is not None:
                    at, asked, said, seconds = found
                    held += len(asked) + len(said)
                    made = rows_of(asked, said, at=at, seconds=seconds, model=self._model)
                    rows += [json.dumps(row) for row in made]
            except queue.Empty:
                pass
            if rows and (not going or len(rows) >= _ROWS or time.monotonic() - since >= EVERY_SECONDS):
                self._write(rows)
                rows = []
            if not rows:
                since = time.monotonic()
                # What waits in the queue and what waits here is one sum: it is given back once it is written.
                self._give_back(held)
                held = 0

    def _give_back(self, size: int) -> None:
        with self._lock:
            self._bytes -= size
            dropped, self._dropped = self._dropped, 0
        if dropped:
            print(f"{dropped} requests are not in the request log: they came faster than it is written", flush=True)

    def _write(self, rows: list[str]) -> None:
        self._number += 1
        now = dt.datetime.now(tz=dt.timezone.utc)  # noqa: UP017 - Python 3.10
        name = f"{now:%H%M%S}-{socket.gethostname()}-{uuid.uuid4().hex[:6]}-{self._number}.jsonl"
        try:
            write_object(join(self._uri, f"{now:%Y-%m-%d}", name), "\n".join([*rows, ""]).encode())
        except StoreError as error:
            print(f"{len(rows)} rows of the request log are lost: {error}", file=sys.stderr, flush=True)


def rows_of(
    asked: bytes, said: bytes, *, at: float, seconds: float, model: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield one row of the log for each row that was asked about; nothing of a request that has no rows.

    Args:
        asked: The request in MLflow's scoring protocol.
        said: The answer.
        at: When, in seconds since the epoch.
        seconds: How long it took.
        model: ``name`` and ``version``.
    """
    try:
        inputs, answer = list(_inputs(json.loads(asked))), json.loads(said)
    except (ValueError, TypeError, KeyError, AttributeError):
        return
    predictions = answer.get("predictions") if isinstance(answer, dict) else answer
    if not isinstance(predictions, list) or len(predictions) != len(inputs):
        return
    request_id = uuid.uuid4().hex
    requested_at = dt.datetime.fromtimestamp(at, tz=dt.timezone.utc).isoformat()  # noqa: UP017 - Python 3.10
    for number, (values, prediction) in enumerate(zip(inputs, predictions, strict=True)):
        named = values if isinstance(values, dict) else {"input": values}
        yield {
            **{(f"input_{name}" if name in OWN else name): value for name, value in named.items()},
            "request_id": request_id,
            "row": number,
            "requested_at": requested_at,
            "model_version": model["version"],
            "seconds": round(seconds, 6),
            "prediction": prediction,
        }


def _inputs(asked: Any) -> Iterator[Any]:
    """Yield the rows of a request; see https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/."""
    if "dataframe_split" in asked:
        split = asked["dataframe_split"]
        yield from (dict(zip(split["columns"], row, strict=True)) for row in split["data"])
    elif "dataframe_records" in asked:
        yield from asked["dataframe_records"]
    elif "instances" in asked:
        yield from asked["instances"]
    elif isinstance(asked["inputs"], dict):
        columns = asked["inputs"]
        yield from (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    else:
        yield from asked["inputs"]
