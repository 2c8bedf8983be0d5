"""A whole gate: thresholds of metrics, of the worst slice, and tolerances compared with the champion."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from airflow_ml_provider.decisions.models.champion import Direction, Tolerance, better_values, compare
from airflow_ml_provider.decisions.models.gate import GateVerdict, Threshold, judge

CHAMPION, WORST_SLICE = "champion", "worst_slice"


class GateError(ValueError):
    """A rule of a gate has no valid form.

    Attributes:
        where: The keys below the gate.
    """

    def __init__(self, where: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.where = where


class Gate(NamedTuple):
    """The rules that a model has to meet.

    Attributes:
        thresholds: By metric.
        worst_slice: By metric, of the slice in which it is worst.
        champion: By metric, how much worse than the champion it may be.
        directions: Which values are better, of each metric in ``champion``.
    """

    thresholds: Mapping[str, str]
    worst_slice: Mapping[str, str]
    champion: Mapping[str, Tolerance]
    directions: Mapping[str, Direction]

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Gate:
        """Read ``{"rmse": "< 20", "champion": {"rmse": "at most 1% worse"}, "worst_slice": {"rmse": "< 40"}}``.

        Raises:
            GateError: A rule has another form.
        """
        thresholds = {name: text for name, text in value.items() if name not in (CHAMPION, WORST_SLICE)}
        for name, text in thresholds.items():
            _checked((name,), Threshold.parse, text)
        worst = _mapping(value, WORST_SLICE)
        for name, text in worst.items():
            _checked((WORST_SLICE, name), Threshold.parse, text)
        directions: dict[str, Direction] = {}
        champion = {}
        for name, text in _mapping(value, CHAMPION).items():
            tolerance = champion[name] = _checked((CHAMPION, name), Tolerance.parse, text)
            own = Threshold.parse(thresholds[name]) if name in thresholds else None
            directions[name] = _checked((CHAMPION, name), partial(better_values, name, tolerance), own)
        return cls(thresholds, worst, champion, directions)


def judge_all(
    gate: Gate,
    metrics: Mapping[str, float],
    *,
    champion: Mapping[str, float] | None,
    champion_name: str,
    intervals: Mapping[str, tuple[float, float]],
    slices: Mapping[str, Mapping[str, float]],
) -> GateVerdict:
    """Judge a model.

    Args:
        gate: The rules.
        metrics: The model's.
        champion: The champion's on the same data, ``None`` when there is none.
        champion_name: How the champion is called.
        intervals: Of a metric's difference to the champion's.
        slices: Metrics by slice.
    """
    verdicts = [judge(gate.thresholds, metrics)]
    if gate.champion:
        verdicts.append(
            compare(
                gate.champion,
                gate.directions,
                challenger=metrics,
                champion=champion,
                name=champion_name,
                intervals=intervals,
            )
        )
    for metric, text in gate.worst_slice.items():
        verdicts.append(_worst(metric, text, slices))
    reasons = tuple(reason for verdict in verdicts for reason in verdict.reasons)
    return GateVerdict(all(verdict.passed for verdict in verdicts), reasons)


def _worst(metric: str, text: str, slices: Mapping[str, Mapping[str, float]]) -> GateVerdict:
    values = {name: found[metric] for name, found in slices.items() if metric in found}
    if not values:
        return GateVerdict(False, (f"worst_slice: no slice has a metric {metric!r}",))
    wants_less = Threshold.parse(text).comparison in ("<", "<=")
    worst = (max if wants_less else min)(values, key=values.__getitem__)
    verdict = judge({metric: text}, {metric: values[worst]})
    return GateVerdict(verdict.passed, (f"worst slice, {worst}: {verdict.reasons[0]}",))


def _mapping(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name, {})
    if not isinstance(found, Mapping):
        example = "{rmse: at most 1% worse}" if name == CHAMPION else '{rmse: "< 40"}'
        raise GateError((name,), f"{found!r} is not a mapping of metrics: write {name}: {example}")
    return found


def _checked(where: tuple[str, ...], read: Any, text: Any) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise GateError(where, str(error)) from error
