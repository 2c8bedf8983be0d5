"""Whether columns have changed, and whether that is told."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from airflow_ml_provider.decisions.alarm import Alarm, is_told
from airflow_ml_provider.decisions.limits import judged_now, require_known
from airflow_ml_provider.runtime.stages.monitor.drift import chance, compare, kolmogorov_smirnov, psi
from airflow_ml_provider.runtime.stages.monitor.quality import quality

SOURCE = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def own_numbers():
    """The same numbers for a test, whichever ran before it."""
    SOURCE.bit_generator.state = np.random.default_rng(3).bit_generator.state


def table(rows, *, shift=0.0, spread=1.0, colors=("red", "blue"), missing=0.0):
    x = SOURCE.normal(shift, spread, rows)
    x[: int(rows * missing)] = np.nan
    return pd.DataFrame({"x": x, "color": SOURCE.choice(colors, rows), "flag": SOURCE.random(rows) < 0.5})


def drifted(reference, current):
    return [found.column for found in compare(reference, current) if found.drifted]


@pytest.mark.parametrize("rows", [40, 400, 4000])
def test_the_same_distribution_has_not_drifted(rows):
    """Of a hundred tables with three columns."""
    reference = table(2000)
    assert sum(len(drifted(reference, table(rows))) for _ in range(100)) <= 3


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"shift": 1.0}, "x"),
        ({"spread": 2.5}, "x"),
        ({"colors": ("red", "red", "red", "blue")}, "color"),
        ({"colors": ("red", "green")}, "color"),
        ({"missing": 0.5}, "x"),
    ],
)
@pytest.mark.parametrize("rows", [300, 3000])
def test_a_change_that_matters_is_seen(changes, column, rows):
    assert drifted(table(2000), table(rows, **changes)) == [column]


def test_columns_of_one_value_of_none_and_of_another_kind():
    one = pd.DataFrame({"a": [1.0] * 100, "b": [np.nan] * 100, "c": ["x"] * 100})
    assert drifted(one, one) == []
    other = pd.DataFrame({"a": [2.0] * 100, "b": [1.0] * 100, "c": [1] * 100})
    assert drifted(one, other) == ["a", "b", "c"]


def test_a_column_of_many_values_replaced_times_and_flags_written_otherwise():
    many = pd.DataFrame({"id": [f"a{number % 1000}" for number in range(20_000)]})
    assert drifted(many, many.assign(id=many["id"].str.replace("a", "b"))) == ["id"]
    hours = pd.DataFrame({"at": pd.date_range("2025-01-01", periods=2000, freq="h")})
    assert drifted(hours, hours) == []
    # Times move on: what is compared are the hours of the day and the days of the week.
    assert drifted(hours, hours + pd.Timedelta(days=400)) == []
    assert drifted(hours, hours[hours["at"].dt.hour < 6]) == ["at"]
    assert drifted(hours, hours[hours["at"].dt.day_of_week < 5]) == ["at"]
    assert drifted(hours, hours.assign(at=hours["at"].where(hours.index % 2 == 0))) == ["at"]
    flags = pd.DataFrame({"flag": SOURCE.random(1000) < 0.3})
    assert drifted(flags, flags.astype(int)) == []
    assert drifted(flags, ~flags) == ["flag"]


@pytest.mark.parametrize(
    ("limits", "task", "told"),
    [
        ({}, None, "limits are empty"),
        ({"drift_share": "< 0.3"}, None, "there is no metric 'drift_share'"),
        ({"rmse": "< 3"}, None, "those of predictions come with task"),
        ({"rmse": "< accuracy"}, "regression", "there is no metric 'accuracy'"),
        ({"rows": "more"}, None, "is not a threshold"),
    ],
)
def test_limits_that_are_none(limits, task, told):
    with pytest.raises(ValueError, match=told):
        require_known(limits, task=task)


def test_what_is_not_known_yet_is_no_alarm():
    limits = {"rmse": "< 3", "drifted_share": "< 0.5", "mae": "< rmse"}
    require_known(limits, task="regression")
    assert judged_now(limits, {"drifted_share": 0.1, "labelled_rows": 0.0}) == {"drifted_share": "< 0.5"}
    assert judged_now(limits, {"drifted_share": 0.1, "rmse": 2.0, "mae": 1.0}) == limits


def test_the_index_of_known_shares():
    """Worked by hand: (0.4 - 0.5) ln(0.4 / 0.5) + (0.6 - 0.5) ln(0.6 / 0.5), for many rows."""
    assert psi([50_000, 50_000], [40_000, 60_000]) == pytest.approx(0.0405465, abs=1e-5)
    assert 0 < psi([50, 50], [100, 0]) < psi([50_000, 50_000], [100_000, 0])
    assert psi([50, 50], [500, 500]) == 0.0
    assert chance(10, 100, 100) > chance(10, 1000, 1000) > chance(2, 1000, 1000) > 0


def test_the_distance_of_two_samples_is_scipys():
    from scipy import stats

    one, other = SOURCE.normal(0, 1, 200), SOURCE.normal(0.5, 1, 300)
    distance, by_chance = kolmogorov_smirnov(one, other)
    assert distance == pytest.approx(stats.ks_2samp(one, other).statistic)
    assert stats.ks_2samp(one, other, method="asymp").pvalue < 0.001
    assert distance > by_chance


def test_quality_of_the_worst_column():
    reference = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "c": ["a", "b", "a", "b"], "gone": 1})
    current = pd.DataFrame({"x": [1.0, 9.0, np.nan, 9.0], "c": ["a", "z", "a", "z"], "y": 1})
    found = quality(reference, current, ["x", "c"], ignored={"y"})
    assert found == {
        "missing_share": 0.25,
        "unseen_share": 0.5,
        "outside_share": pytest.approx(2 / 3),
        "duplicate_share": 0.25,
        "changed_columns": 1.0,
    }


NOW = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (None, True),
        (Alarm(NOW - dt.timedelta(hours=1), "other"), False),
        (Alarm(NOW - dt.timedelta(hours=24), "other"), True),
        (Alarm(NOW - dt.timedelta(hours=1), "mine"), True),
    ],
)
def test_an_alarm_is_reported_once_within_its_cooldown(last, told):
    assert is_told(last, now=NOW, dag_run="mine", cooldown=dt.timedelta(days=1)) is told
    if last is not None:
        assert Alarm.from_plain(last.to_plain()) == last
