"""Between a serve stage and its servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SERVER = "server"
"""The step (``AIRFLOW_ML_STEP``) of a process that answers requests."""

ENDPOINT_VARIABLE = "AIRFLOW_ML_ENDPOINT"
"""Tells a server the endpoint that it serves."""

TOKEN_VARIABLE = "ML_ENDPOINT_TOKEN"  # noqa: S105 - a name
"""Holds the bearer token that requests have to bring; empty where none is asked for."""

PORT = 8080
"""Where a server in a pod listens."""


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """What one request to a server may be.

    Attributes:
        body: The most bytes of its body.
        rows: The most rows.
        columns: The most columns.
        seconds: How long it may take to arrive.
    """

    body: int = 4 * 1024 * 1024
    rows: int = 10_000
    columns: int = 2_000
    seconds: float = 30.0

    def to_options(self) -> dict[str, Any]:
        """Return those that are not the default."""
        usual = asdict(RequestLimits())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> RequestLimits:
        """Read them."""
        return cls(**options)


def metrics_port(port: int) -> int:
    """Return where a server that listens at a port shows its counters: two above it, which is not for strangers.

    Of the ports that nobody asked for, Linux gives odd ones to who listens and even ones to who connects: the next port
    is soon taken (https://git.kernel.org/torvalds/c/07f4c90062f8).
    """
    return port + 2
