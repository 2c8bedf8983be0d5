"""Finished trials, kept in the store one by one, so that a study that is begun again repeats none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from airflow_ml_provider.artifacts.layout import RESULT, join, store_segment
from airflow_ml_provider.artifacts.objects import create_or_match, filesystem, read_object, store_errors
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.runtime.patience import patiently

_FOLDER = "_trials"
_ATTEMPT = re.compile(r"\d+\.\d+")
_HOW_LONG = ("budget", "max_failed_trials", "trials", "workers")
"""Options that say how long is searched, and not what."""


@dataclass(frozen=True)
class TrialRecord:
    """A trial that ended.

    Attributes:
        number: Its number in the study.
        state: ``complete``, ``pruned`` or ``failed``.
        params: Its params.
        values: Its objectives' values, in their order; empty unless it is complete.
        metrics: All that the code measured.
        reported: Intermediate values by step.
        message: Why it failed.
        seconds: How long it took.
        run_id: Its MLflow run, empty when it is untracked.
    """

    number: int
    state: str
    params: Mapping[str, Any]
    values: tuple[float, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    reported: Mapping[int, float] = field(default_factory=dict)
    message: str = ""
    seconds: float = 0.0
    run_id: str = ""


def keep(request: StageRequest, record: TrialRecord) -> None:
    """Write a record next to those of the same attempt.

    Raises:
        StoreUnavailableError: The store does not answer.
    """
    content = json.dumps({"work": _search_digest(request), **asdict(record)}, sort_keys=True).encode()
    uri = join(request.attempt_uri, _FOLDER, f"{record.number:07d}.json")
    patiently(lambda: create_or_match(uri, content), what=f"Keeping trial {record.number}")


def kept_before(request: StageRequest) -> list[TrialRecord]:
    """Return the good trials of earlier attempts at the same work; those of work that was delivered do not count.

    Raises:
        StoreUnavailableError: The store does not answer.
    """
    stage, _, own = request.attempt_uri.rstrip("/").rpartition("/")
    found: list[TrialRecord] = []
    attempts = [name for name in _names(stage) if _ATTEMPT.fullmatch(name) and name != store_segment(own)]
    for attempt in sorted(attempts, key=_age):
        if _succeeded(join(stage, attempt)):
            # What comes later was begun anew, by a user who cleared the task.
            found = []
        else:
            found += _records(join(stage, attempt, _FOLDER), work=_search_digest(request))
    return found


def _search_digest(request: StageRequest) -> str:
    """Return a digest of what is searched, equal for searches whose trials count for each other."""
    options = {name: value for name, value in request.options.items() if name not in _HOW_LONG}
    return replace(request, options=options).work_digest()


def _age(attempt: str) -> tuple[int, ...]:
    return tuple(int(part) for part in attempt.split("."))


def _names(uri: str) -> list[str]:
    fs, path = filesystem(uri)
    fs.invalidate_cache()
    try:
        with store_errors("read", uri):
            return [entry.rstrip("/").rpartition("/")[2] for entry in fs.ls(path, detail=False)]
    except FileNotFoundError:
        return []


def _succeeded(attempt_uri: str) -> bool:
    try:
        return StageResult.from_json(read_object(join(attempt_uri, RESULT))).failure is None
    except (FileNotFoundError, ProtocolError):
        return False


def _records(uri: str, *, work: str) -> Iterator[TrialRecord]:
    for name in sorted(name for name in _names(uri) if name.endswith(".json")):
        content = json.loads(read_object(join(uri, name)))
        if content.pop("work") != work:
            return
        record = TrialRecord(
            **{
                **content,
                "values": tuple(content["values"]),
                "reported": {int(step): value for step, value in content["reported"].items()},
            }
        )
        if record.state != "failed":
            yield record
