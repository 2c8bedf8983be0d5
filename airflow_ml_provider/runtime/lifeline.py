"""A stage on the local runner dies with its worker, however that dies."""

from __future__ import annotations

import os
import signal

from airflow_ml_provider.protocol.environment import LIFELINE_VARIABLE


def hold_lifeline() -> None:
    """Kill this process group when the worker's end of the pipe closes.

    A process of its own waits for that, so it happens also while C code holds this interpreter, and when this
    process is killed alone and leaves children behind.
    """
    descriptor = int(os.environ.pop(LIFELINE_VARIABLE))
    if os.fork() == 0:
        _watch(descriptor)
    os.close(descriptor)


def _watch(descriptor: int) -> None:
    # The worker reads the stage's output to its end; the watcher must not keep it open.
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.read(descriptor, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)
