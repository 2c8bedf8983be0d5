"""A pod that has not started yet: wait on, or give up, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_ml_provider.decisions.failure_line import failure_line
from airflow_ml_provider.decisions.outcome import StageOutcome, Verdict
from airflow_ml_provider.decisions.pods.pod_state import PodState

# What registries answer for an image that will not be there a minute later either.
_NO_SUCH_IMAGE = re.compile(
    r"not found|manifest unknown|does not exist|repository name not known|failed to resolve reference|no such host"
    r"|pull access denied|unauthorized|authentication required|insufficient_scope",
    re.IGNORECASE,
)
_RATE_LIMITED = re.compile(r"toomanyrequests|429|rate limit", re.IGNORECASE)
_PULLING = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError")
_NEVER = ("InvalidImageName", "ErrImageNeverPull")
_CONFIGURATION = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError")


@dataclass(frozen=True)
class Patience:
    """How long a pod may take to start, in seconds.

    Attributes:
        startup: From the moment it has a node to the start of its container; images are pulled in this time.
        capacity: Until it has a node; ``None`` waits as long as the task may run.
        grace: How long a refusal that may pass by itself (a secret that is created later) is tolerated.
    """

    startup: float = 600.0
    capacity: float | None = None
    grace: float = 15.0


@dataclass(frozen=True)
class Waited:
    """How long a pod has been as it is.

    Attributes:
        scheduled: Whether it has a node.
        step: Whose turn it is in a staged pod.
        seconds: For how long.
    """

    scheduled: bool = False
    step: str = ""
    seconds: float = 0.0


class StartClock:
    """Measures how long a pod waits for a node, then how long it takes to start, and judges both.

    Args:
        patience: How long each may take.
        waited: What another process has measured before.
        now: The time in seconds on any clock that only goes forward.
    """

    def __init__(self, patience: Patience, *, waited: Waited | None = None, now: float = 0.0) -> None:
        self._patience = patience
        self._at = None if waited is None else (waited.scheduled, waited.step)
        self._since = 0.0 if waited is None else now - waited.seconds

    def waited(self, *, now: float) -> Waited:
        """Return how long the pod has been as it was seen last, by the same clock."""
        return Waited() if self._at is None else Waited(*self._at, seconds=now - self._since)

    def judge(self, state: PodState, *, now: float) -> StageOutcome | None:
        """Return why to give up, ``None`` to wait on.

        Args:
            state: The pod as it is.
            now: The time in seconds on any clock that only goes forward.
        """
        if (state.scheduled, state.step) != self._at:
            self._at, self._since = (state.scheduled, state.step), now
        return read_pending(state, seconds=now - self._since, patience=self._patience)


def read_pending(state: PodState, *, seconds: float, patience: Patience) -> StageOutcome | None:
    """Decide on a pod that has not started; ``None`` is to wait on.

    Args:
        state: The pod as it is.
        seconds: How long it has been as it is: without a node, or with one and not started.
        patience: How long it may be so.
    """
    if not state.waits:
        return None
    if state.unschedulable or not state.scheduled:
        if patience.capacity is None or seconds <= patience.capacity:
            return None
        said = state.unschedulable or "the scheduler said nothing"
        return _outcome("capacity", f"no node had room for the pod for {seconds:.0f} s: {said}")
    reason, message = state.container_reason, state.container_message
    if reason in _NEVER:
        return _outcome("image", f"the image cannot be used ({reason}): {message}")
    if reason in _PULLING and not _RATE_LIMITED.search(message) and _NO_SUCH_IMAGE.search(message):
        return _outcome("image", f"the image does not exist or may not be pulled ({reason}): {message}")
    if reason in _CONFIGURATION and seconds > patience.grace:
        return _outcome("configuration", f"the container cannot be created ({reason}): {message}")
    if seconds <= patience.startup:
        return None
    if reason in _PULLING:
        limited = "its registry limits the rate of pulls" if _RATE_LIMITED.search(message) else "it could not be pulled"
        return _outcome("image", f"the image was not there after {seconds:.0f} s, {limited} ({reason}): {message}")
    said = f" ({reason}{': ' + message if message else ''})" if reason else ""
    return _outcome("startup", f"the container did not start within {seconds:.0f} s{said}")


def _outcome(verdict: Verdict, reason: str) -> StageOutcome:
    return StageOutcome(verdict, failure_line(reason, verdict))
