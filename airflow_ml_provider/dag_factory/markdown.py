"""Text of others in Airflow's pages."""

from __future__ import annotations

import re


def fenced(text: str, *, language: str) -> str:
    """Return text as a block of code that nothing in it can end: the fence is longer than any in the text."""
    longest = max((len(found) for found in re.findall("~+", text)), default=0)
    fence = "~" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
