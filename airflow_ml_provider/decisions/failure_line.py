"""The first line of a failure: what happened, of which kind it is, what to do."""

from __future__ import annotations

from collections.abc import Mapping

ADVICE: Mapping[str, str] = {
    "user_code": "fix the code and clear the task",
    "bad_data": "fix the data and clear the task",
    "contract": "fix the stage or its function; a retry does not help",
    "store": "check that the artifact store can be reached; a retry may help",
    "tracking": "check that the MLflow server can be reached; a retry may help",
    "killed": "when nobody killed it, the machine was probably out of memory: give it more or use less",
    "no_result": "the process ended without writing its result, so nothing of it is used; read its log",
    "out_of_memory": "raise resources.memory of the stage, or let it use less",
    "step": "say io: direct, which fetches and commits with the stage's own memory",
    "start": "fix the command or the image; a stage with run: needs python3 in its image",
    "init_container": "fix the init container, or what it waits for; a retry runs it again",
    "deadline": "give the stage a longer timeout, or less to do",
    "disrupted": "nothing is wrong with the stage: a retry helps",
    "capacity": "ask for less, add nodes, or give it a longer capacity_timeout",
    "image": "fix the image's name, the pull secret, or wait for the registry",
    "configuration": "fix what the message names: a Secret, a ConfigMap, a volume or the command",
    "startup": "see the pod's events above; a longer startup_timeout_seconds waits longer",
}
"""What to do, by kind of failure."""


def failure_line(reason: str, kind: str, *, exit_code: int | str | None = None) -> str:
    """Return the line.

    Args:
        reason: What happened.
        kind: A key of the advice.
        exit_code: The process's, ``"none"`` where it is unknown, ``None`` where there was no process.
    """
    ended = "" if exit_code is None else f", exit code {exit_code}"
    return f"{reason} [{kind.replace('_', ' ')}{ended}]; {ADVICE[kind]}"
