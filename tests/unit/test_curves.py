"""How many points of a curve are shown, and which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_ml_provider.plugin.curves import POINTS, thinned

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(NUMBERS, max_size=2_000))
def test_a_thinned_curve_keeps_ends_and_extremes(values):
    points = list(enumerate(values))
    found = thinned(points)
    assert len(found) <= POINTS
    assert found == sorted(set(found))
    assert set(found) <= set(points)
    if points:
        assert (found[0], found[-1]) == (points[0], points[-1])
        assert min(value for _, value in found) == min(values)
        assert max(value for _, value in found) == max(values)


@pytest.mark.parametrize("count", [0, 1, POINTS])
def test_a_short_curve_stays(count):
    points = [(step, float(step)) for step in range(count)]
    assert thinned(points) == points
