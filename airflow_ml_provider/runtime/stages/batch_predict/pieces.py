"""A dataset in pieces, and what is known of each, as objects next to the output."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_ml_provider.artifacts.digest import FileEntry
from airflow_ml_provider.artifacts.errors import AlreadyExistsError
from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.objects import create_object, filesystem, read_object, store_errors, write_object
from airflow_ml_provider.runtime.errors import BadDataError
from airflow_ml_provider.runtime.patience import patiently
from airflow_ml_provider.runtime.stages.dataset.files import is_data_file

PREDICTIONS, REJECTED = "predictions", "rejected"
"""The outputs."""
_FOLDER, _FAILURE = "_pieces", "failure.json"
_DONE, _STARTED = re.compile(r"(\d+)\.json"), re.compile(r"worker-(\d+)\.[0-9a-f]+")


@dataclass(frozen=True)
class Piece:
    """Rows that one worker predicts at once.

    Attributes:
        number: From 0.
        path: The file of the dataset; empty where that is one file.
        part: Which part of the file's rows.
        parts: Of how many.
    """

    number: int
    path: str
    part: int
    parts: int

    def rows(self, count: int) -> tuple[int, int]:
        """Return the first row and the one after the last, of a file of so many rows."""
        return count * self.part // self.parts, count * (self.part + 1) // self.parts


def pieces_of(files: Sequence[FileEntry], *, workers: int) -> list[Piece]:
    """Return the pieces of a dataset: its files, cut where there are fewer of them than workers.

    Raises:
        BadDataError: No file holds rows.
    """
    paths = sorted(entry.path for entry in files if is_data_file(entry.path))
    if not paths:
        raise BadDataError(f"data has no file with rows: it has {', '.join(entry.path for entry in files[:5])}")
    parts = max(1, -(-workers // len(paths)))
    cut = [(path, part) for path in paths for part in range(parts)]
    return [Piece(number, path, part, parts) for number, (path, part) in enumerate(cut)]


class Progress:
    """What workers report, below an attempt.

    Args:
        attempt_uri: The attempt's directory.
    """

    def __init__(self, attempt_uri: str) -> None:
        self._uri = join(attempt_uri, _FOLDER)

    def start(self, worker: int) -> None:
        """Say that a worker has started."""
        uri = join(self._uri, f"worker-{worker}.{uuid.uuid4().hex[:8]}")
        patiently(lambda: write_object(uri, b""), what="Starting a worker")

    def end(self, piece: Piece, report: Mapping[str, Any]) -> None:
        """Say what came of a piece; what is said last counts, since it was written last."""
        content = json.dumps(report).encode()
        patiently(lambda: write_object(join(self._uri, f"{piece.number}.json"), content), what="Ending a piece")

    def fail(self, failure: Mapping[str, str]) -> None:
        """Say that there is no way to go on; the first one's word counts."""
        try:
            patiently(lambda: create_object(join(self._uri, _FAILURE), json.dumps(failure).encode()), what="Failing")
        except AlreadyExistsError:
            return

    def failure(self) -> dict[str, Any] | None:
        """Return why there is no way to go on, ``None`` when there is."""
        try:
            found: dict[str, Any] = json.loads(
                patiently(lambda: read_object(join(self._uri, _FAILURE)), what="Looking for failures")
            )
        except FileNotFoundError:
            return None
        return found

    def look(self) -> tuple[set[int], dict[int, int]]:
        """Return the pieces that have ended, and how often each worker has started."""
        done: set[int] = set()
        started: dict[int, int] = {}
        for name in patiently(self._names, what="Looking for pieces"):
            if (match := _DONE.fullmatch(name)) is not None:
                done.add(int(match[1]))
            elif (match := _STARTED.fullmatch(name)) is not None:
                started[int(match[1])] = started.get(int(match[1]), 0) + 1
        return done, started

    def report(self, piece: Piece) -> dict[str, Any]:
        """Return what came of a piece that has ended."""
        uri = join(self._uri, f"{piece.number}.json")
        found: dict[str, Any] = json.loads(patiently(lambda: read_object(uri), what="Reading what came of a piece"))
        return found

    def _names(self) -> list[str]:
        fs, path = filesystem(self._uri)
        fs.invalidate_cache()
        try:
            with store_errors("read", self._uri):
                return [found.rstrip("/").rpartition("/")[2] for found in fs.ls(path, detail=False)]
        except FileNotFoundError:
            return []
