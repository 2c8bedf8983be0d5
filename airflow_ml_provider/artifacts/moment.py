"""Times in records of the store."""

from __future__ import annotations

from airflow_ml_provider.protocol.errors import ProtocolError

_LATEST = 253_402_300_800.0
"""The first second of the year 10000, which no calendar here knows."""


def require_moment(name: str, seconds: float) -> None:
    """Look whether a number is a time.

    Args:
        name: What it is the time of.
        seconds: Seconds since the epoch.

    Raises:
        ProtocolError: It is before the epoch, or after the year 9999.
    """
    if not 0 <= seconds < _LATEST:
        raise ProtocolError(f"{name} is {seconds!r}, which is not a time: seconds since 1970 are meant")
