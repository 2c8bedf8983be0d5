"""Answers of a model as JSON: what is not a finite number is null, and said."""

from __future__ import annotations

import json
import math
from typing import Any

_MARKS = (b"NaN", b"Infinity")


def valid_json(answer: bytes) -> bytes:
    """Return an answer as JSON that every reader takes; Python writes NaN and infinity as words of its own.

    Args:
        answer: What MLflow's scoring server answers.
    """
    if not any(mark in answer for mark in _MARKS):
        return answer
    try:
        found = json.loads(answer)
    except ValueError:
        return answer
    return json.dumps(_finite(found), allow_nan=False).encode()


def undefined_in(answer: str) -> str:
    """Return which number in an answer is none, as it is written; empty when all are finite."""
    seen: list[str] = []
    try:
        json.loads(answer, parse_constant=seen.append)
    except ValueError:
        return ""
    return seen[0] if seen else ""


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value
