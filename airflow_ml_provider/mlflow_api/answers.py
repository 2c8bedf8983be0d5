"""What MLflow answers, within limits and in the shape that the rest of the package relies on."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

from airflow_ml_provider.protocol.plain_text import one_line

T = TypeVar("T")

ANSWER_BYTES = 64 * 1024 * 1024
"""The largest answer that is read, unpacked."""
ANSWER_SECONDS = 120.0
"""How long one answer may take in all; the connection's timeout is about each part of it."""
_ENCODINGS = ("", "identity", "gzip", "deflate")


class OddAnswerError(ValueError):
    """An answer is larger, slower or of another shape than MLflow's are."""


def content_of(response: httpx.Response) -> bytes:
    """Return the content of a response that streams.

    Raises:
        OddAnswerError: It is too large, takes too long, or is packed more than once.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise OddAnswerError(f"its answer is packed as {one_line(encoding)!r}")
    began, content = time.monotonic(), bytearray()
    for part in response.iter_bytes():
        content += part
        if len(content) > ANSWER_BYTES:
            raise OddAnswerError(f"its answer has more than {ANSWER_BYTES // 1024**2} MiB")
        if time.monotonic() - began > ANSWER_SECONDS:
            raise OddAnswerError(f"its answer took more than {ANSWER_SECONDS:g} s")
    return bytes(content)


def json_object(content: bytes) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        OddAnswerError: It is something else.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise OddAnswerError("its answer is not JSON: is it an MLflow server?") from error
    if not isinstance(found, dict):
        raise OddAnswerError("its answer is not a JSON object: is it an MLflow server?")
    return found


def member(answer: Mapping[str, Any], key: str, kind: type[T]) -> T:
    """Return a member of an answer.

    Raises:
        OddAnswerError: It has none, or one of another type.
    """
    found = answer.get(key)
    if not isinstance(found, kind):
        raise OddAnswerError(f"its answer has {key}: {one_line(repr(found), 80)}, not a {kind.__name__}")
    return found


def items(answer: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any]], T]) -> list[T]:
    """Return the members of a list that may be missing, each read as what it is.

    Raises:
        OddAnswerError: It is not a list of such.
    """
    found = answer.get(key, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise OddAnswerError(f"its answer has {key}: {one_line(repr(found), 80)}, not a list of objects")
    return [read(item) for item in found]


def run_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run whose ``info`` has its ids and status, and whose ``data`` has lists of keys and values."""
    info = member(found, "info", dict)
    data = found.get("data", {})
    if not isinstance(data, dict):
        raise OddAnswerError(f"its answer has data: {one_line(repr(data), 80)}, not a dict")
    for key in ("run_id", "experiment_id", "status"):
        member(info, key, str)
    if not isinstance(info.get("start_time", 0), int):
        raise OddAnswerError(f"its answer has start_time: {one_line(repr(info['start_time']), 80)}, not an int")
    kept = {
        **{key: items(data, key, _pair) for key in ("params", "tags")},
        "metrics": items(data, "metrics", _metric),
    }
    return {**found, "data": {**data, **kept}}


def version_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a version of a registered model with its name, number and tags."""
    number = str(found.get("version", ""))
    if not re.fullmatch(r"[0-9]{1,18}", number):
        raise OddAnswerError(f"its answer has version: {one_line(repr(found.get('version')), 80)}, not a number")
    created = str(found.get("creation_timestamp") or 0)
    if not re.fullmatch(r"[0-9]{1,18}", created):
        raise OddAnswerError(f"its answer has creation_timestamp: {one_line(created, 80)}, not a number")
    return {
        **found,
        "name": member(found, "name", str),
        "version": number,
        "creation_timestamp": int(created),
        "tags": items(found, "tags", _pair),
    }


def registered_model(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a registered model with its name and aliases."""
    return {**found, "name": member(found, "name", str), "aliases": items(found, "aliases", _alias)}


def metric_point(found: Mapping[str, Any]) -> tuple[int, int, float | str]:
    """Return a point of a metric's history: step, time in milliseconds, value."""
    try:
        return int(found.get("step", 0)), int(found["timestamp"]), _pair(found)["value"]
    except (KeyError, TypeError, ValueError) as error:
        raise OddAnswerError(f"its answer has a point {one_line(repr(dict(found)), 80)}") from error


def _alias(found: Mapping[str, Any]) -> dict[str, str]:
    return {"alias": member(found, "alias", str), "version": str(found.get("version", ""))}


def _metric(found: Mapping[str, Any]) -> dict[str, Any]:
    step = found.get("step", 0)
    if not re.fullmatch(r"-?[0-9]{1,18}", str(step)):
        raise OddAnswerError(f"its answer has step: {one_line(repr(step), 80)}, not a number")
    return {**_pair(found), "step": int(step)}


def _pair(found: Mapping[str, Any]) -> dict[str, Any]:
    value = found.get("value", "")
    if not isinstance(value, str | int | float):
        raise OddAnswerError(f"its answer has value: {one_line(repr(value), 80)}, not text or a number")
    return {**found, "key": member(found, "key", str), "value": value}
