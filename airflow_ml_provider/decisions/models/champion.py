"""Is a challenger good enough compared with the champion? Metrics of both in, a verdict with reasons out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from airflow_ml_provider.decisions.models.gate import NUMBER, GateVerdict, Threshold
from airflow_ml_provider.protocol.metrics import metric_name

Direction = Literal["lower", "higher"]

_LOWER = (
    "rmse",
    "mae",
    "mse",
    "msle",
    "mape",
    "medae",
    "max_error",
    "log_loss",
    "loss",
    "brier",
    "perplexity",
    "error",
)
_HIGHER = (
    *("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "auc", "average_precision", "r2"),
    *("explained_variance", "ndcg", "map", "mrr", "silhouette", "adjusted_rand", "mcc"),
)
_NOISE = 1e-9
_TOLERANCE = re.compile(
    rf"\s*(?:at most (?P<most>{NUMBER})\s*(?P<most_unit>%?) worse"
    rf"|at least (?P<least>{NUMBER})\s*(?P<least_unit>%?) better"
    r"|(?P<better>better)|(?P<as_good>not worse))(?:\s*,\s*(?P<direction>lower|higher) is better)?\s*"
)


class Tolerance(NamedTuple):
    """How much worse than the champion a metric may be.

    Attributes:
        allowed: The most; below 0 it must be better by so much.
        relative: Whether that is a part of the champion's value.
        strict: Whether as good as allowed is not enough.
        direction: Which values are better, ``None`` where the metric's name or another threshold says so.
    """

    allowed: float
    relative: bool
    strict: bool
    direction: Direction | None

    @classmethod
    def parse(cls, text: object) -> Tolerance:
        """Read a tolerance.

        Raises:
            ValueError: The text has another form.
        """
        match = _TOLERANCE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(
                f"{text!r} is not a tolerance: write 'at most 1% worse', 'at most 0.5 worse', 'not worse', 'better' or "
                f"'at least 2% better', and after it, where the metric's name does not say it, ', lower is better'"
            )
        amount = match["most"] or match["least"] or "0"
        unit = match["most_unit"] or match["least_unit"] or ""
        sign = -1 if match["least"] else 1
        directions: Mapping[str | None, Direction] = {"lower": "lower", "higher": "higher"}
        return cls(
            allowed=sign * float(amount) / (100 if unit else 1),
            relative=bool(unit),
            strict=bool(match["better"]),
            direction=directions.get(match["direction"]),
        )


def better_values(metric: str, tolerance: Tolerance, threshold: Threshold | None) -> Direction:
    """Return which values of a metric are better.

    Args:
        metric: Its name; a known one at its end is enough (``val_rmse``).
        tolerance: May say it.
        threshold: What the same gate wants of the metric.

    Raises:
        ValueError: Nothing says it.
    """
    if tolerance.direction is not None:
        return tolerance.direction
    wanted: Direction | None = None
    if threshold is not None:
        wanted = "lower" if threshold.comparison in ("<", "<=") else "higher"
    last = metric.rpartition("/")[2].lower()
    for names, direction in ((_LOWER, "lower"), (_HIGHER, "higher")):
        if any(last == name or last.endswith(f"_{name}") for name in names):
            known: Direction = "lower" if direction == "lower" else "higher"
            if wanted not in (None, known):
                raise ValueError(
                    f"of {metric!r} {known} values are better, and the threshold wants {wanted} ones: say which, "
                    f"', lower is better' or ', higher is better'"
                )
            return known
    if wanted is not None:
        return wanted
    raise ValueError(f"which values of {metric!r} are better? add ', lower is better' or ', higher is better'")


def compare(
    tolerances: Mapping[str, Tolerance],
    directions: Mapping[str, Direction],
    *,
    challenger: Mapping[str, float],
    champion: Mapping[str, float] | None,
    name: str,
    intervals: Mapping[str, tuple[float, float]],
) -> GateVerdict:
    """Compare; without a champion the first model passes.

    Args:
        tolerances: By metric.
        directions: Which values of each are better.
        challenger: Its metrics.
        champion: Its metrics on the same data, ``None`` when there is no champion.
        name: How the champion is called.
        intervals: Of a metric's difference, challenger less champion, the interval that holds it with the wanted
            confidence; all of it has to be within the tolerance.
    """
    if champion is None:
        return GateVerdict(True, (f"there is no champion of {name} yet: nothing to compare with",))
    lines: list[tuple[bool, str]] = []
    for metric, tolerance in tolerances.items():
        mine, theirs = challenger.get(metric_name(metric)), champion.get(metric_name(metric))
        if mine is None or theirs is None:
            whose = "challenger" if mine is None else "champion"
            lines.append((False, f"{metric}: the {whose} gave no such metric"))
            continue
        if not (math.isfinite(mine) and math.isfinite(theirs)):
            lines.append(
                (False, f"{metric} is {mine:.6g}, that of {name} {theirs:.6g}: neither may be infinite or NaN")
            )
            continue
        sign = 1 if directions[metric] == "lower" else -1
        worse = sign * (mine - theirs)
        line = f"{metric} is {mine:.6g}, that of {name} {theirs:.6g}"
        if metric in intervals:
            low, high = intervals[metric]
            worse = max(sign * low, sign * high)
            line += f", the difference within [{low:.4g}, {high:.4g}]"
        allowed = tolerance.allowed * (abs(theirs) if tolerance.relative else 1)
        # What a computer's arithmetic adds is no difference between models.
        noise = _NOISE * max(abs(mine), abs(theirs))
        holds = worse < allowed - noise if tolerance.strict else worse <= allowed + noise
        lines.append((holds, f"{line}: {'' if holds else 'not '}{_wanted(tolerance)}"))
    return GateVerdict(all(holds for holds, _ in lines), tuple(line for _, line in lines))


def _wanted(tolerance: Tolerance) -> str:
    if tolerance.strict:
        return "better"
    if tolerance.allowed == 0:
        return "at least as good"
    amount = f"{abs(tolerance.allowed) * 100:g}%" if tolerance.relative else f"{abs(tolerance.allowed):g}"
    return f"at most {amount} worse" if tolerance.allowed > 0 else f"at least {amount} better"
