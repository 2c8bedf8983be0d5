"""Text of others on pages and in messages: it makes no links, pictures, HTML or log lines."""

from __future__ import annotations

import re

from airflow_ml_provider.protocol.plain_text import MESSAGE_LENGTH, one_line, printable

_JOINER = "\u2060"
_SCHEME = re.compile(r"\b(https?|ftp|mailto|xmpp):", re.IGNORECASE)
_WWW = re.compile(r"\bwww\.", re.IGNORECASE)


def fenced(text: str, *, language: str) -> str:
    """Return text as a block of code that nothing in it can end: the fence is longer than any in the text."""
    longest = max((len(found) for found in re.findall("~+", text)), default=0)
    fence = "~" * max(3, longest + 1)
    return f"{fence}{language}\n{printable(text)}\n{fence}"


def without_links(markdown: str) -> str:
    """Return Markdown whose headings and tables stay, and whose links, pictures and HTML are text.

    Pages make links of bare addresses too (https://github.github.com/gfm/#autolinks-extension-), some of them after
    escapes are read: a character without width stands within.
    """
    text = (
        printable(markdown)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace("[", "\\[")
        .replace("@", f"{_JOINER}@{_JOINER}")
    )
    return _WWW.sub(f"www{_JOINER}.", _SCHEME.sub(rf"\1:{_JOINER}", text))


def as_text(line: str, length: int = MESSAGE_LENGTH) -> str:
    """Return one line of text as Markdown that shows it as it is."""
    return re.sub(r"([\\`*_#+~|>{}()!-])", r"\\\1", without_links(one_line(line, length)))
