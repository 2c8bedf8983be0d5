"""A stage on the local runner dies with its worker, however that dies."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

LIFELINE_VARIABLE = "AIRFLOW_ML_LIFELINE"
"""Names a file descriptor: the read end of a pipe whose write end only the worker holds."""

_PR_SET_PDEATHSIG = 1


def hold_lifeline() -> None:
    """Kill this process group when the worker's end of the pipe closes; without the variable do nothing.

    The pipe reaches the whole group. On Linux the kernel kills this process too (``prctl(2)``,
    ``PR_SET_PDEATHSIG``), even where C code never lets the watching thread run.
    """
    descriptor = os.environ.pop(LIFELINE_VARIABLE, None)
    if descriptor is None:
        return
    os.set_inheritable(int(descriptor), False)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch, args=(int(descriptor),), name="lifeline", daemon=True).start()


def _watch(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)
