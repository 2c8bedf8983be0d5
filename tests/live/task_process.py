"""The process in which Airflow runs a task."""

import signal
from pathlib import Path

import psutil

from airflow_ml_provider.testing.airflow_api import wait_until

SLICE = 0.01
# A process that was just forked has its parent's handlers still; reading the DAG takes longer than this.
FORKED_SECONDS = 0.2


class TooLateError(Exception):
    """The process was past the moment already: on a busy machine a slice of its time is longer than it was to be."""


def find(instance):
    wanted = f"airflow worker -- {instance}"
    return [p for p in psutil.process_iter(["cmdline"]) if wanted in " ".join(p.info["cmdline"] or ())]


def task_process(stage):
    found = find(stage.task["id"])
    assert found, f"no process runs {stage.dag} {stage.run_id}"
    return found[0]


def hears_sigterm(process):
    """Whether the task has come to where Airflow hands it a SIGTERM: its own code runs next."""
    (caught_mask,) = [
        line.split()[1]
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
        if line.startswith("SigCgt")
    ]
    caught_it = int(caught_mask, 16) >> (signal.SIGTERM - 1) & 1
    return caught_it and process.cpu_times().user > FORKED_SECONDS


def wait_for_the_deferring_process(stage, seconds=60):
    """Await the end of the process that deferred: Airflow says "deferred" a moment before it is gone."""
    stage.wait_for_state("deferred")
    _, left = psutil.wait_procs(find(stage.task["id"]), timeout=seconds)
    assert not left, f"the process that deferred {stage.dag} is there after {seconds} s: {left}"


def caught(stage, world, *, when):
    """Return the task's process, suspended at a moment: it is let run in slices until the condition holds."""
    # Asked for once: the process lives for a second, and Airflow's API may take as long to answer.
    instance, seen = stage.task["id"], []
    wait_until(lambda: seen.extend(find(instance)) or seen, what=f"a process of {stage.dag}", seconds=120, every=0.05)
    process = seen[0]
    process.suspend()
    while not when(process):
        process.resume()
        world.wait(SLICE)
        process.suspend()
    if stage.state != "running":
        process.resume()
        raise TooLateError(f"{stage.dag} was too quick: {stage.state}")
    return process
