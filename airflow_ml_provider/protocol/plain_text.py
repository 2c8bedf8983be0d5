"""Text from outside, as it may stand in a log and on a terminal: no control characters, no lines of its own."""

from __future__ import annotations

import re

MESSAGE_LENGTH = 300
_UNPRINTABLE = re.compile(
    # A terminal's colours; control characters, line and paragraph separators, what turns the direction of writing.
    r"(?:\x1b\[[0-9;?]*[@-~]|[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069])+"
)


def one_line(text: str, length: int = MESSAGE_LENGTH) -> str:
    """Return a text as it may stand in a message: without line ends and control characters, cut."""
    plain = _UNPRINTABLE.sub(" ", text)
    return plain if len(plain) <= length else f"{plain[: length - 3]}..."


def printable(text: str) -> str:
    """Return a text whose lines stay, and in which nothing else moves the cursor of a terminal."""
    if text.replace("\n", "").isprintable():
        return text
    return "\n".join(_UNPRINTABLE.sub(" ", line) for line in text.split("\n"))
