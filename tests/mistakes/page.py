"""docs/reference/errors.md from the mistakes: ``python -m tests.mistakes.page`` writes it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.mistakes.cases import SECTIONS
from tests.mistakes.mistake import Mistake, told

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
_BEGIN = """\
# Mistakes in a pipeline, and what the messages say

Written by `python -m tests.mistakes.page` from the cases of `tests/mistakes/cases.py`; a test compares it. Each case is
a pipeline with this one mistake. `airflow-ml validate`, the log of the DAG processor and the UI (a DAG tagged `broken`)
give the same text. Where it says *editor*, an editor with the JSON Schema marks the mistake as you type.
"""


def page() -> str:
    """Return the page."""
    return "".join(_parts())


def _parts() -> Iterator[str]:
    yield _BEGIN
    for section, mistakes in SECTIONS.items():
        yield f"\n## {section}\n"
        for mistake in mistakes:
            yield _mistake(mistake)


def _mistake(mistake: Mistake) -> str:
    with tempfile.TemporaryDirectory() as folder:
        text = told(mistake, Path(folder))
    editor = ", *editor*" if mistake.in_schema else ""
    asked = f", with `--env {mistake.environment}`" if mistake.environment else ""
    shown = f"\n{mistake.shown}\n" if mistake.shown else ""
    return f"\n**{mistake.title[0].upper()}{mistake.title[1:]}**{editor}{asked}\n{shown}\n```text\n{text}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
