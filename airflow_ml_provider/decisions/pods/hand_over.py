"""What a task knows of a pod that a triggerer follows on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airflow_ml_provider.decisions.pods.log_position import LogMark
from airflow_ml_provider.decisions.pods.pending import Waited

FRESH_SECONDS = 60.0
"""Until so long after a hand-over the triggerer that comes is taken for the first one."""
_LINE_CHARACTERS = 300


@dataclass(frozen=True)
class HandOver:
    """The moment at which a task leaves its pod to a triggerer; plain values, since Airflow keeps it as JSON.

    Attributes:
        at: When that was, in seconds since the epoch.
        log: How far the container's log was read.
        waited: How long the pod has waited to start.
        tail: The last lines of the log, each cut to 300 characters.
    """

    at: float
    log: LogMark
    waited: Waited
    tail: tuple[str, ...] = ()

    @classmethod
    def of(cls, *, at: float, log: LogMark, waited: Waited, tail: Iterable[str]) -> HandOver:
        """Return the moment with what of the log's end is worth keeping."""
        return cls(at=at, log=log, waited=waited, tail=tuple(line[:_LINE_CHARACTERS] for line in tail))

    @classmethod
    def from_plain(cls, given: Mapping[str, Any]) -> HandOver:
        """Return what :meth:`to_plain` wrote."""
        log, waited = LogMark(**given["log"]), Waited(**given["waited"])
        return cls(at=given["at"], log=log, waited=waited, tail=tuple(given["tail"]))

    def to_plain(self) -> dict[str, Any]:
        """Return mappings and lists."""
        return {**asdict(self), "tail": list(self.tail)}

    def is_fresh(self, now: float) -> bool:
        """Whether hardly anybody can have followed the pod since then; the time now in seconds since the epoch."""
        return now - self.at < FRESH_SECONDS
