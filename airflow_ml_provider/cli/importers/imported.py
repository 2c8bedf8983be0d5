"""A pipeline that came out of another tool's file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Imported:
    """A pipeline that came out.

    Attributes:
        name: Its name.
        value: The pipeline as plain values.
        files: Code that belongs to it, by path below the pipeline's folder.
        left_out: What could not be taken over, a line each.
    """

    name: str
    value: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def identifier(text: str) -> str:
    """Return a name of another tool as one that a stage, an output or a param may have."""
    cleaned = re.sub(r"\W", "_", text, flags=re.ASCII)
    return cleaned if re.match(r"[A-Za-z]", cleaned) else f"stage_{cleaned}"


def without_empty(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping without its empty values."""
    return {key: item for key, item in value.items() if item not in (None, {}, [], "")}
