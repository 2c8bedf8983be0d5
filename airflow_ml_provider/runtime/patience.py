"""Bearing with a store that is away: hours of work are not thrown away for a minute without a network."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from airflow_ml_provider.artifacts.errors import StoreAwayError

T = TypeVar("T")

PATIENCE_SECONDS = 300.0
_LONGEST_PAUSE_SECONDS = 15.0


def patiently(call: Callable[[], T], *, what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Call until the store answers.

    Args:
        call: What to do; it may be done again when it failed.
        what: What that is, for the log.
        seconds: How long to try.

    Raises:
        StoreAwayError: It did not answer in that time.
    """
    pause, deadline = 1.0, time.monotonic() + seconds
    while True:
        try:
            return call()
        except StoreAwayError as error:
            left = deadline - time.monotonic()
            if left < pause:
                raise
            print(f"{what} is tried again for {left:.0f} s: {error}", flush=True)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
