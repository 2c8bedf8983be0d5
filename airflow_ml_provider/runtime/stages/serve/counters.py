"""What a server counts, in Prometheus' text format, and how to read it again."""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

LIMITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)
"""Upper limits of the buckets that answers are counted in by how long they took, in seconds."""

_LINE = re.compile(
    r"^ml_(requests_total|requests_refused_total|request_errors_total|request_seconds_sum|request_seconds_bucket)"
    r'(?:\{le="[^"]+"\})? (\d\S*)$',
    re.MULTILINE,
)


@dataclass
class Counters:
    """Answers since the server started.

    Attributes:
        requests: All but those that were refused.
        errors: Those with a status of 500 or more.
        seconds: How long all of them took together.
        buckets: How many took at most as long as the limit of the same index, and longer than the one before.
        refused: Those with a status of 400 to 499: the mistake is the client's, and says nothing of the model.
        unlogged: Requests that the log was to keep and did not, since they exceeded its budget.
    """

    requests: int = 0
    errors: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * len(LIMITS))
    refused: int = 0
    unlogged: int = 0

    def count(self, *, status: int, seconds: float) -> None:
        """Count an answer."""
        if 400 <= status < 500:
            self.refused += 1
            return
        self.requests += 1
        self.errors += status >= 500
        self.seconds += seconds
        self.buckets[bisect.bisect_left(LIMITS, seconds)] += 1

    def text(self) -> str:
        """Return them in Prometheus' text format.

        See https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format.
        """
        lines = ["# TYPE ml_request_seconds histogram"]
        total = 0
        for limit, found in zip(LIMITS, self.buckets, strict=True):
            total += found
            lines.append(f'ml_request_seconds_bucket{{le="{"+Inf" if math.isinf(limit) else limit}"}} {total}')
        return "\n".join(
            [
                "# TYPE ml_requests_total counter",
                f"ml_requests_total {self.requests}",
                "# TYPE ml_request_errors_total counter",
                f"ml_request_errors_total {self.errors}",
                "# TYPE ml_requests_refused_total counter",
                f"ml_requests_refused_total {self.refused}",
                "# TYPE ml_requests_unlogged_total counter",
                f"ml_requests_unlogged_total {self.unlogged}",
                *lines,
                f"ml_request_seconds_sum {self.seconds!r}",
                f"ml_request_seconds_count {total}",
                "",
            ]
        )

    @classmethod
    def read(cls, text: str) -> Counters | None:
        """Read the text of a server, ``None`` when it is not one of ours."""
        found, cumulated = cls(), []
        for name, value in _LINE.findall(text):
            if name == "requests_total":
                found.requests = int(float(value))
            elif name == "requests_refused_total":
                found.refused = int(float(value))
            elif name == "request_errors_total":
                found.errors = int(float(value))
            elif name == "request_seconds_sum":
                found.seconds = float(value)
            else:
                cumulated.append(int(float(value)))
        if len(cumulated) != len(LIMITS):
            return None
        found.buckets = [now - before for before, now in pairwise([0, *cumulated])]
        return found

    def since(self, before: Counters) -> Counters:
        """Return what came after an earlier look; a server that started anew meanwhile counts from its start."""
        if before.requests > self.requests or before.refused > self.refused:
            return self
        buckets = [now - then for now, then in zip(self.buckets, before.buckets, strict=True)]
        errors, seconds = self.errors - before.errors, self.seconds - before.seconds
        return Counters(self.requests - before.requests, errors, seconds, buckets, self.refused - before.refused)

    def quantile(self, share: float) -> float:
        """Return within how many seconds this share of the answers came, as Prometheus' histogram_quantile does it.

        What lies in the last bucket counts as its lower limit; without answers it is 0.
        """
        rank, total = share * sum(self.buckets), 0
        for index, found in enumerate(self.buckets):
            lower = LIMITS[index - 1] if index else 0.0
            if found and total + found >= rank:
                inside = (rank - total) / found
                return lower if math.isinf(LIMITS[index]) else lower + (LIMITS[index] - lower) * inside
            total += found
        return 0.0


def summed(all_of: Iterable[Counters]) -> Counters:
    """Return the counts of several servers as those of one."""
    total = Counters()
    for one in all_of:
        total.requests += one.requests
        total.errors += one.errors
        total.refused += one.refused
        total.seconds += one.seconds
        total.buckets = [mine + theirs for mine, theirs in zip(total.buckets, one.buckets, strict=True)]
    return total
