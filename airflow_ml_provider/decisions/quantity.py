"""Kubernetes quantities: ``500m``, ``4Gi``, ``1e3``.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+)(?:([eE][+-]?[0-9]+)|([KMGTPE]i)|([numkMGTPE]))?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = "KMGTPE"


def amount(quantity: str | float) -> Decimal:
    """Return a quantity as a number: bytes, or whole CPUs.

    Raises:
        ValueError: It is not a quantity.
    """
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None:
        raise ValueError(f"{quantity!r} is not a quantity such as 2, 500m or 4Gi")
    number, exponent, binary, decimal = found.groups()
    value = Decimal(f"{number}{exponent or ''}")
    if binary:
        return value * Decimal(1024) ** (_BINARY.index(binary[0]) + 1)
    return value.scaleb(_DECIMAL[decimal]) if decimal else value


def in_bytes(quantity: str | float) -> int:
    """Return a quantity of memory in whole bytes, 0 for an empty one.

    Raises:
        ValueError: It is not a quantity.
    """
    return int(amount(quantity or 0))
