"""A stage is the first process of its container, and the kernel ignores signals that such a process does not handle."""

from __future__ import annotations

import os
import signal

SIGTERM_EXIT_CODE = 128 + signal.SIGTERM


def end_on_sigterm() -> None:
    """End at SIGTERM as any other process does, instead of living on until the pod's grace period is over."""
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(SIGTERM_EXIT_CODE))
