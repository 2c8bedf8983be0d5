"""Secrets in text: what no message, result or log may show."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

MASK = "***"
SHORTEST = 4
"""Shorter values would mask ordinary words."""
_NAME = re.compile(
    r"(pass(word|wd|phrase)|secret|token|authorization|keyfile(_dict)?|"
    r"(access|account|api|encryption|private|secret|signing|storage)_?key)$",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+(?=@)")


def names_a_secret(name: str) -> bool:
    """Whether the name of a variable or a field says that its value is secret."""
    return bool(_NAME.search(name))


def secrets_in(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the values of variables whose names say that they are secret."""
    return frozenset(value for name, value in environment.items() if names_a_secret(name) and len(value) >= SHORTEST)


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """Return a text with asterisks in place of secrets, and of a password in any URL."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _USERINFO.sub(rf"\1:{MASK}", text)
