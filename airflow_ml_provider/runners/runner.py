"""What a runner is: it brings one attempt from its request to its end, as a process or as a pod."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_ml_provider.artifacts.layout import RESULT, join
from airflow_ml_provider.artifacts.objects import read_object
from airflow_ml_provider.attempts.attempt import Attempt, PodIdentity
from airflow_ml_provider.decisions.outcome import StageOutcome
from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.protocol.staged import MAIN


@dataclass(frozen=True)
class Ended:
    """The end of an attempt.

    Attributes:
        outcome: The verdict; when it is ``success`` there is a result.
        result: What the attempt left, ``None`` when it left nothing readable.
        tail: The last lines of its log.
        memory_limit: What its pod might use, a Kubernetes quantity; empty for a process or no limit.
        exit_code: The stage's own, ``None`` when it did not come so far.
    """

    outcome: StageOutcome
    result: StageResult | None
    tail: Sequence[str] = ()
    memory_limit: str = ""
    exit_code: int | None = None


class Runner(Protocol):
    """Runs one attempt: ``prepare``, ``start``, ``wait``; or ``follow``, ``wait`` for one that runs already."""

    def prepare(self, request: StageRequest, *, secrets: Mapping[str, str], memory: int) -> PodIdentity | None:
        """Check and keep what is to run; returns the pod that it will be, ``None`` for a process.

        Args:
            request: The attempt.
            secrets: Variables that let a process log in to MLflow; a pod never gets them.
            memory: What a pod gets instead of its own memory, in bytes; 0 for its own.
        """

    def start(self, *, waiting_since: float, note: Callable[[float], None]) -> str:
        """Begin; returns the pod's uid, empty for a process.

        Args:
            waiting_since: When a quota first refused the pod, in seconds since the epoch; 0 when none did.
            note: Keeps when that was, where the task goes on waiting elsewhere.

        Raises:
            StageCapacityError: A quota refused the pod for too long.
            BaseException: One of the run's suspensions: the task goes on elsewhere.
        """

    def is_running(self, attempt: Attempt) -> bool:
        """Whether an attempt that was begun earlier still works on its result."""

    def follow(self, attempt: Attempt) -> None:
        """Take over an attempt that runs."""

    def accompany(self, attempt: Attempt, request: StageRequest, *, secrets: Mapping[str, str]) -> None:
        """Start the companion of an attempt that is followed, where it is missing.

        Args:
            attempt: The attempt.
            request: Its request.
            secrets: Variables that let a process log in to MLflow.
        """

    def wait(self) -> Ended:
        """Wait for the end.

        Raises:
            StageKilledError: ``stop`` was called.
            BaseException: One of the run's suspensions: the task goes on elsewhere.
        """

    def harvest(self, attempt: Attempt, event: Mapping[str, Any]) -> Ended:
        """Return what was seen elsewhere as the end of an attempt.

        Raises:
            StageTimeoutError: The task's time is over.
            StageFailedError: The runner has no attempts that are followed elsewhere.
        """

    def image(self, *, of_template: bool) -> str:
        """Return the image that the stage runs in, empty where none is named and for a process.

        Args:
            of_template: Whether a pod is built to see the image of a pod template.
        """

    def discard(self, attempt: Attempt) -> None:
        """Stop an abandoned attempt."""

    def stop(self) -> None:
        """End the work; called from a signal handler, so it only says so where ending it needs a network."""


def read_result(attempt_uri: str) -> StageResult | None:
    """Return the result of an attempt, ``None`` when it wrote none.

    Raises:
        ProtocolError: What lies there is no result of this protocol version.
        StoreUnavailableError: The store did not answer.
    """
    try:
        return StageResult.from_json(read_object(join(attempt_uri, RESULT)))
    except FileNotFoundError:
        return None


def ended_pod(outcome: StageOutcome, result: StageResult | None, tail: Sequence[str], state: PodState | None) -> Ended:
    """Return the end of an attempt in a pod, whose last state was seen or was not."""
    if state is None:
        return Ended(outcome, result, tuple(tail))
    # What fetches and commits has exit codes that say nothing of the stage's own work.
    code = state.exit_code if state.step in ("", MAIN) else None
    return Ended(outcome, result, tuple(tail), memory_limit=state.memory_limit, exit_code=code)
