"""Whether the values of a column have changed: the population stability index, and for numbers Kolmogorov-Smirnov.

With no change, ``PSI / (1/n + 1/m)`` is chi-squared distributed with one degree of freedom less than there are bins
(B. Yurdakul, J. Naranjo, "Statistical properties of the population stability index", Journal of Risk Model Validation,
2020): so an index counts only when it is also more than chance makes of samples of this size. 0.2 is the usual limit of
a change that matters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import ndarray
    from pandas import DataFrame, Series

PSI_LIMIT = 0.2
KS_LIMIT = 0.1
_BINS = 10
_CATEGORIES = 50
_NORMAL_QUANTILE = 3.09
"""Of 0.999: one column in a thousand is taken for changed by chance."""
_MISSING = "(missing)"


@dataclass(frozen=True)
class Drift:
    """What was found about a column.

    Attributes:
        column: Its name.
        kind: ``number``, ``category`` or ``time``.
        test: How it was tested.
        score: What the test gave.
        limit: From which score on the column has changed.
        drifted: Whether it has.
    """

    column: str
    kind: str
    test: str
    score: float
    limit: float
    drifted: bool


def compare(reference: DataFrame, current: DataFrame) -> list[Drift]:
    """Compare all columns of two tables that have the same ones."""
    return [_column(str(name), reference[name], current[name]) for name in reference.columns]


def psi(expected: Any, found: Any) -> float:
    """Return the population stability index of two lists of counts over the same bins; each bin gets half a row."""
    import numpy as np

    smoothed = [np.asarray(counts, float) + 0.5 for counts in (expected, found)]
    shares = [counts / counts.sum() for counts in smoothed]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def chance(bins: int, rows: int, other_rows: int) -> float:
    """Return how large an index may be by chance, with so many bins and rows; by Wilson and Hilferty's formula."""
    freedom = max(1, bins - 1)
    part = 2 / (9 * freedom)
    quantile = freedom * (1 - part + _NORMAL_QUANTILE * math.sqrt(part)) ** 3
    return quantile * (1 / max(1, rows) + 1 / max(1, other_rows))


def kolmogorov_smirnov(one: ndarray[Any, Any], other: ndarray[Any, Any]) -> tuple[float, float]:
    """Return the largest distance between two empirical distributions, and how large it may be by chance."""
    import numpy as np

    both = np.concatenate([one, other])
    here = np.searchsorted(np.sort(one), both, side="right") / len(one)
    there = np.searchsorted(np.sort(other), both, side="right") / len(other)
    # The asymptotic quantile: https://en.wikipedia.org/wiki/Kolmogorov-Smirnov_test#Two-sample_Kolmogorov-Smirnov_test
    by_chance = math.sqrt(-math.log(0.001 / 2) / 2) * math.sqrt(1 / len(one) + 1 / len(other))
    return float(np.max(np.abs(here - there))), by_chance


def _column(name: str, reference: Series[Any], current: Series[Any]) -> Drift:
    from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

    both = (reference, current)
    if all(map(is_datetime64_any_dtype, both)):
        return _times(name, reference, current)
    if all(map(is_numeric_dtype, both)):
        return _numbers(name, reference.astype(float), current.astype(float))
    return _categories(name, reference, current)


def _numbers(name: str, reference: Series[Any], current: Series[Any]) -> Drift:
    import numpy as np

    here, there = (column.dropna().to_numpy(float) for column in (reference, current))
    if not len(here) or not len(there):
        changed = bool(len(here)) != bool(len(there))
        return Drift(name, "number", "missing", float(changed), 1.0, changed)
    edges = np.unique(np.quantile(here, np.linspace(0, 1, _BINS + 1)[1:-1]))
    counts = [
        [*np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1), len(column) - len(values)]
        for values, column in ((here, reference), (there, current))
    ]
    index, limit = psi(*counts), max(PSI_LIMIT, chance(len(counts[0]), len(reference), len(current)))
    distance, by_chance = kolmogorov_smirnov(here, there)
    apart = max(KS_LIMIT, by_chance)
    if distance / apart > index / limit:
        return Drift(name, "number", "KS", distance, apart, distance >= apart)
    return Drift(name, "number", "PSI", index, limit, index >= limit)


def _times(name: str, reference: Series[Any], current: Series[Any]) -> Drift:
    """Compare the hours of the day and the days of the week: the times themselves move on by their nature.

    What does not span a day has no hours to compare, and what does not span a week no days.
    """
    found = [
        _counted(name, kind, [_share(column, part, bins) for column in (reference, current)], reference, current)
        for kind, part, bins, days in (("hour", "hour", 24, 1), ("weekday", "day_of_week", 7, 7))
        if all(column.notna().any() and (column.max() - column.min()).days >= days for column in (reference, current))
    ]
    missing = [[int(column.notna().sum()), int(column.isna().sum())] for column in (reference, current)]
    found.append(_counted(name, "missing", missing, reference, current))
    return max(found, key=lambda one: one.score / one.limit)


def _share(column: Series[Any], part: str, bins: int) -> list[int]:
    counts = getattr(column.dropna().dt, part).value_counts()
    return [int(counts.get(value, 0)) for value in range(bins)]


def _counted(name: str, what: str, counts: list[list[int]], reference: Series[Any], current: Series[Any]) -> Drift:
    index, limit = psi(*counts), max(PSI_LIMIT, chance(len(counts[0]), len(reference), len(current)))
    return Drift(name, "time", f"PSI of {what}", index, limit, index >= limit)


def _categories(name: str, reference: Series[Any], current: Series[Any]) -> Drift:
    here, there = (
        column.astype(object).where(column.notna(), _MISSING).astype(str).value_counts()
        for column in (reference, current)
    )
    kept = list(here.index[:_CATEGORIES])
    rare = here.index[_CATEGORIES:]
    counts = [
        [
            *(int(found.get(value, 0)) for value in kept),
            int(found[found.index.isin(rare)].sum()),
            int(found[~found.index.isin(here.index)].sum()),
        ]
        for found in (here, there)
    ]
    index, limit = psi(*counts), max(PSI_LIMIT, chance(len(counts[0]), len(reference), len(current)))
    return Drift(name, "category", "PSI", index, limit, index >= limit)
