"""Does a model pass its gate? Metrics and thresholds in, a verdict with reasons out."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from airflow_ml_provider.protocol.metrics import metric_name

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_THRESHOLD = re.compile(rf"\s*(?P<sign><=|>=|<|>)\s*(?:(?P<number>{NUMBER})|(?P<metric>[A-Za-z_][A-Za-z0-9_./-]*))\s*")


class Threshold(NamedTuple):
    """A rule for one metric: ``< 20``, or ``< baseline_rmse`` to compare with another metric.

    Attributes:
        comparison: ``<``, ``<=``, ``>`` or ``>=``.
        limit: A number, or the name of another metric of the same stage.
    """

    comparison: str
    limit: float | str

    @classmethod
    def parse(cls, text: object) -> Threshold:
        """Read a threshold.

        Raises:
            ValueError: The text has another form.
        """
        match = _THRESHOLD.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(
                f"{text!r} is not a threshold: write a comparison and a number or another metric, "
                f'such as "< 20", ">= 0.8" or "< baseline_rmse"'
            )
        number = match["number"]
        return cls(match["sign"], match["metric"] if number is None else float(number))

    def __str__(self) -> str:
        limit = self.limit if isinstance(self.limit, str) else f"{self.limit:g}"
        return f"{self.comparison} {limit}"


class GateVerdict(NamedTuple):
    """The outcome of a gate.

    Attributes:
        passed: Whether every threshold holds.
        reasons: One line a threshold, in the order of the gate.
    """

    passed: bool
    reasons: tuple[str, ...]


def judge(gate: Mapping[str, str], metrics: Mapping[str, float]) -> GateVerdict:
    """Compare metrics with the thresholds of a gate; a metric that is not there, or not finite, does not pass.

    Raises:
        ValueError: A threshold has no valid form.
    """
    lines: list[tuple[bool, str]] = []
    for metric, text in gate.items():
        threshold = Threshold.parse(text)
        value = metrics.get(metric_name(metric))
        limit = metrics.get(metric_name(threshold.limit)) if isinstance(threshold.limit, str) else threshold.limit
        if value is None or limit is None:
            absent = metric if value is None else threshold.limit
            known = ", ".join(sorted(metrics)) or "none"
            lines.append((False, f"{metric} {threshold}: there is no metric {absent!r}; the stage gave {known}"))
            continue
        # An infinite value is no good one, on whichever side of the limit.
        holds = math.isfinite(value) and math.isfinite(limit) and _COMPARISONS[threshold.comparison](value, limit)
        named = f" ({limit:.6g})" if isinstance(threshold.limit, str) else ""
        lines.append((holds, f"{metric} is {value:.6g}, {'' if holds else 'not '}{threshold}{named}"))
    return GateVerdict(all(holds for holds, _ in lines), tuple(line for _, line in lines))
