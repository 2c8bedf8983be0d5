"""Secrets in text: what no message, result or log may show."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

MASK = "***"
SHORTEST = 4
"""Shorter values would mask ordinary words."""
_NAME = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|(ACCESS|ACCOUNT|API|PRIVATE|SECRET|STORAGE)_KEY)$", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+(?=@)")


def secrets_in(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the values of variables whose names say that they are secret."""
    return frozenset(value for name, value in environment.items() if _NAME.search(name) and len(value) >= SHORTEST)


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """Return a text with asterisks in place of secrets, and of a password in any URL."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _USERINFO.sub(rf"\1:{MASK}", text)
