"""Lines that say how far a transfer of many files is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

EVERY_SECONDS = 10.0

T = TypeVar("T")


def with_progress(files: Sequence[T], *, what: str) -> Iterator[T]:
    """Yield files one by one; every ten seconds a line says how many of them are done.

    Args:
        files: All of them.
        what: What is done with them, for the line.
    """
    reported = time.monotonic()
    for number, file in enumerate(files):
        if time.monotonic() - reported > EVERY_SECONDS:
            reported = time.monotonic()
            print(f"{what}: {number:,} of {len(files):,} files", flush=True)
        yield file
