"""Plain values that know where each of them was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_ml_provider.spec.problems import Problem, Severity

KeyPath = tuple[str | int, ...]


class Position(NamedTuple):
    """A place in a file.

    Attributes:
        file: The file's path.
        line: Counts from 1.
        column: Counts from 1.
        part: The part of the file that gave the value (``defaults``, ``environments.prod``), empty for the value's
            own place.
    """

    file: str
    line: int
    column: int
    part: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place} ({self.part})" if self.part else place


@dataclass(frozen=True)
class Document:
    """A file, or what several files and parts of one give together.

    Attributes:
        file: The path of the file, or of the one that the others change.
        value: Plain dicts, lists and scalars.
        positions: Where each value was written, by key path; for an entry of a mapping, where its key stands.
        lines: The lines of each file.
        is_as_written: Whether the value is what the file says, with nothing merged in.
    """

    file: str
    value: Any
    positions: Mapping[KeyPath, Position]
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_as_written: bool = True

    def position(self, key_path: KeyPath) -> Position:
        """Return the place of a value, or of its nearest parent that is written anywhere."""
        known = key_path
        while known and known not in self.positions:
            known = known[:-1]
        return self.positions.get(known) or Position(self.file, 1, 1)

    def problem(self, key_path: KeyPath, message: str, *, severity: Severity = "error") -> Problem:
        """Return a problem with a value."""
        place = self.position(key_path)
        if place.part.endswith("defaults"):
            # What all stages got from one place is one problem.
            key_path = ("defaults", *key_path[2:])
        lines = self.lines.get(place.file, ())
        snippet = lines[place.line - 1] if place.line <= len(lines) else ""
        return Problem(
            place.file, place.line, place.column, ".".join(map(str, key_path)), message, snippet, severity=severity
        )
