"""One request to a server, and whether its answer is the one that is expected."""

from __future__ import annotations

import http.client
import json
import math
import os
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_ml_provider.protocol.plain_text import one_line
from airflow_ml_provider.protocol.serving import TOKEN_VARIABLE

_TOLERANCE, _NOTHING = 1e-6, 1e-12
"""By how much a number may differ, relative to its size: another machine, another order of the same sum."""


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Attributes:
        status: The HTTP status; 0 when there was no answer.
        text: What it answered, or why there was none.
        seconds: How long it took.
    """

    status: int
    text: str
    seconds: float


def ask(endpoint: str, path: str, *, body: str | None = None, timeout: float) -> Answer:
    """Ask a server once.

    Args:
        endpoint: ``http://host:port``.
        path: What is asked, such as ``/invocations``.
        body: JSON to post, ``None`` for a GET.
        timeout: How long to wait for the connection and for the answer, in seconds.
    """
    place, started = urlsplit(endpoint), time.monotonic()
    connection = http.client.HTTPConnection(place.hostname or "", place.port or 80, timeout=timeout)
    try:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if token := os.environ.get(TOKEN_VARIABLE):
            headers["Authorization"] = f"Bearer {token}"
        connection.request("GET" if body is None else "POST", path, body, headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        return Answer(response.status, text, time.monotonic() - started)
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, f"{type(error).__name__}: {error}", time.monotonic() - started)
    finally:
        connection.close()


def fault(answer: Answer, expected: str) -> str:
    """Say what is wrong with an answer, empty when it is the expected one."""
    if answer.status == 0:
        return f"there was no answer: {answer.text}"
    if answer.status != 200:
        return f"the answer was {answer.status}: {one_line(answer.text)}"
    try:
        found = json.loads(answer.text)
    except ValueError:
        return f"the answer is not JSON: {answer.text[:100]!r}"
    wanted = json.loads(expected)
    if isinstance(wanted, dict) and "predictions" in wanted:
        if not isinstance(found, dict) or "predictions" not in found:
            return f"the answer holds no predictions: {answer.text[:100]!r}"
        wanted, found = wanted["predictions"], found["predictions"]
    return difference(wanted, found, "predictions")


def difference(wanted: Any, found: Any, where: str) -> str:
    """Say where two JSON values differ, empty when they do not; numbers may by a millionth of their size."""
    if isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            return f"{where} has {len(found)} entries, the model itself gives {len(wanted)}"
        pairs = ((f"{where}[{index}]", *pair) for index, pair in enumerate(zip(wanted, found, strict=True)))
    elif isinstance(wanted, dict) and isinstance(found, dict):
        if wanted.keys() != found.keys():
            return f"{where} has the keys {sorted(found)}, the model itself gives {sorted(wanted)}"
        pairs = ((f"{where}.{key}", wanted[key], found[key]) for key in wanted)
    elif _is_number(wanted) and _is_number(found):
        close = math.isclose(wanted, found, rel_tol=_TOLERANCE, abs_tol=_NOTHING)
        close = close or (math.isnan(wanted) and math.isnan(found))
        return "" if close else f"{where} is {found!r}, the model itself gives {wanted!r}"
    else:
        same = wanted == found and isinstance(wanted, bool) == isinstance(found, bool)
        return "" if same else f"{where} is {found!r}, the model itself gives {wanted!r}"
    return next((fault for place, one, other in pairs if (fault := difference(one, other, place))), "")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
