"""Where a model is served: what a promotion asks of Kubernetes, of KServe, or of this machine."""

from __future__ import annotations

from typing import Protocol

from airflow_ml_provider.decisions.serving.rollout import Revision, Serving


class ServingTarget(Protocol):
    """One endpoint.

    ``read`` and ``write`` are about one object that says what serves and sends the requests there: it changes in one
    step, or not at all when somebody else changed it since it was read.
    """

    @property
    def url(self) -> str:
        """Where the endpoint is asked."""

    def read(self) -> Serving:
        """Return what is served.

        Raises:
            StageConfigurationError: What lies there is not ours.
        """

    def write(self, serving: Serving) -> None:
        """Send the requests where this says; with nothing served the endpoint is gone.

        Raises:
            ServingChangedError: It is not any more what was read or written here last.
        """

    def start(self, revision: Revision, replicas: int) -> None:
        """See to it that there are so many servers of a revision, at least; done again, nothing changes."""

    def replicas_for(self, serving: Serving, percent: int, *, wanted: int) -> int:
        """Return how many servers a candidate needs so that it can have a part of the requests.

        Args:
            serving: What is served.
            percent: The part.
            wanted: How many servers there are once it serves alone.
        """

    def part(self, percent: int, *, new: int, old: int) -> float:
        """Return the percent of the requests that a candidate really gets.

        Args:
            percent: What it is to get.
            new: How many of its servers are ready.
            old: How many servers are that served before.
        """

    def arrived(self, serving: Serving) -> bool:
        """Whether traffic is already split as requested."""

    def faults(self, revision: Revision) -> str:
        """Say why servers of a revision will not become ready, empty as long as they may."""

    def ready(self, revision: Revision) -> list[str]:
        """Return where each server of a revision that is ready can be asked."""

    def waits(self, revision: Revision) -> str:
        """Say what servers of a revision wait for, empty when nobody knows."""

    def settle(self, revision: Revision, replicas: int) -> None:
        """Give a revision that serves alone as many servers as it is to have, and what it has next to them."""

    def remove_others(self) -> None:
        """End all servers that have no place in what is served now, whoever started them."""
