"""A stage is the first process of its container, and the kernel ignores signals that such a process does not handle."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType

SIGTERM_EXIT_CODE = 128 + signal.SIGTERM


def end_on_sigterm() -> None:
    """End at SIGTERM as any other process does, instead of living on until the pod's grace period is over."""
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(SIGTERM_EXIT_CODE))


class StopRequest:
    """Context manager: true once SIGTERM came while its block runs.

    The handler sets a flag and no more. It runs between any two steps of the main thread, which may hold a lock: what
    takes another one there, ``print`` too, may wait for ever.
    """

    def __init__(self) -> None:
        self._told = False

    def __bool__(self) -> bool:
        return self._told

    def __enter__(self) -> StopRequest:
        self._before = signal.signal(signal.SIGTERM, self._tell)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGTERM, self._before)

    def _tell(self, _number: int, _frame: FrameType | None) -> None:
        self._told = True
