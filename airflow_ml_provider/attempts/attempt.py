"""An attempt that was begun, noted where a later try and a resumed task find it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_ml_provider.attempts.run_context import StateStore
from airflow_ml_provider.attempts.stage_runs import StageRuns
from airflow_ml_provider.decisions.pods.another_pod import Spent
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.codec import to_plain

_KEY = "airflow_ml_attempt"


@dataclass(frozen=True)
class PodIdentity:
    """A pod.

    Attributes:
        namespace: Its namespace.
        name: Its name, which belongs to one attempt.
        uid: Its uid; empty from before it is created until the API server answered.
    """

    namespace: str
    name: str
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Attempt:
    """What is known of an attempt outside of the process that began it.

    Written before the work begins and removed when its result was delivered: an attempt that is noted is one whose
    result nobody used yet.

    Attributes:
        attempt: ``<try>.<process or pod>``.
        uri: Its directory in the store.
        work: The digest of what is to be done; another digest is other work.
        runs: The MLflow runs it logs to, ``None`` when it is untracked.
        pod: Its pod, ``None`` for the local runner.
        spent: What its try used up with it.
        waiting_since: When a quota first refused its pod, in seconds since the epoch; 0 when none did.
        checkpoints: What it might resume from, the newest first.
    """

    attempt: str
    uri: str
    work: str
    runs: StageRuns | None = None
    pod: PodIdentity | None = None
    spent: Spent = field(default_factory=Spent)
    waiting_since: float = 0.0
    checkpoints: tuple[ArtifactRef, ...] = ()

    def save(self, state: StateStore) -> None:
        """Note the attempt; an older note is replaced."""
        noted: dict[str, Any] = to_plain(self)
        state.set(_KEY, noted)

    @classmethod
    def load(cls, state: StateStore) -> Attempt | None:
        """Return the attempt that was noted last, ``None`` when there is none or its result was delivered."""
        noted: Any = state.get(_KEY)
        if not isinstance(noted, dict):
            return None
        return cls(
            attempt=noted["attempt"],
            uri=noted["uri"],
            work=noted["work"],
            runs=None if noted["runs"] is None else StageRuns.from_plain(noted["runs"]),
            pod=None if noted["pod"] is None else PodIdentity(**noted["pod"]),
            spent=Spent(**noted["spent"]),
            waiting_since=noted["waiting_since"],
            checkpoints=tuple(ArtifactRef(**ref) for ref in noted["checkpoints"]),
        )

    @staticmethod
    def forget(state: StateStore) -> None:
        """Note that the result was delivered; a later clear of the task runs anew."""
        state.delete(_KEY)
