"""Secrets in text: what no message, result or log may show."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

MASK = "***"
SHORTEST = 4
"""Shorter values would mask ordinary words."""
_NAME = re.compile(
    r"(pass(word|wd|phrase)|_pwd|_pat|secret|(?<!pad_)(?<!eos_)(?<!bos_)token|authorization|(?<!application_)credentials|"
    r"connection_?string|keyfile(_dict|_json)?|(access|account|api|encryption|private|secret|signing|ssh|storage)_?key)"
    r"(_content|_base|_prod|_dev|_test|_\d+)*$",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?<=://)([^/\s:@]*):[^/\s]+(?=@)")
_WORDS = ("true", "false", "none", "null")


def names_a_secret(name: str) -> bool:
    """Whether the name of a variable or a field says that its value is secret."""
    return bool(_NAME.search(name))


def secrets_in(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the values of variables whose names say that they are secret."""
    found = {value for name, value in environment.items() if names_a_secret(name) and len(value) >= SHORTEST}
    return frozenset(value for value in found if value.lower() not in _WORDS)


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """Return a text with asterisks in place of secrets, and of a password in any URL."""
    for secret in sorted(secrets, key=len, reverse=True):
        # A short one may be a part of other words.
        found = re.escape(secret) if len(secret) >= 8 else rf"(?<!\w){re.escape(secret)}(?!\w)"
        text = re.sub(found, MASK, text)
    return _USERINFO.sub(rf"\1:{MASK}", text)
