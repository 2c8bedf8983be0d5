"""What is wrong with a pipeline file, and where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

SNIPPET_WIDTH = 80

Severity = Literal["error", "warning"]


class Problem(NamedTuple):
    """One mistake in a file.

    Attributes:
        file: The file's path.
        line: Counts from 1; 0 when the whole file is meant.
        column: Counts from 1.
        path: The key path (``stages.train.params``), empty for the whole file.
        message: What is wrong, what is allowed.
        snippet: The line of the file, empty when there is none.
        severity: A warning does not keep the pipeline from being built.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    snippet: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        where = f"{self.path}: " if self.path else ""
        grade = "" if self.severity == "error" else "warning: "
        text = f"{place}: {grade}{where}{self.message}"
        if not self.snippet:
            return text
        # A line of a megabyte is not repeated in every message about it.
        start = max(0, self.column - SNIPPET_WIDTH)
        shown = self.snippet[start : start + 2 * SNIPPET_WIDTH]
        return f"{text}\n{self.line:>5} | {shown}\n      | {' ' * (self.column - 1 - start)}^"


class SpecError(ValueError):
    """A pipeline file has mistakes. A retry does not help: fix the file.

    Attributes:
        problems: All of them, in the order of the file.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest known word, empty when none is near."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
