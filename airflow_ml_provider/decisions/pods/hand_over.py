"""What a task knows of a pod that a triggerer follows on."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_ml_provider.decisions.pods.log_position import LogMark
from airflow_ml_provider.decisions.pods.pending import Waited

FRESH_SECONDS = 60.0
"""Until so long after a hand-over the triggerer that comes is taken for the first one."""


@dataclass(frozen=True)
class HandOver:
    """The moment at which a task leaves its pod to a triggerer; plain values, since Airflow keeps it as JSON.

    Attributes:
        at: When that was, in seconds since the epoch.
        log: How far the container's log was read.
        waited: How long the pod has waited to start.
    """

    at: float
    log: LogMark
    waited: Waited

    def is_fresh(self, now: float) -> bool:
        """Whether nobody can have followed the pod since then; the time now in seconds since the epoch."""
        return now - self.at < FRESH_SECONDS
