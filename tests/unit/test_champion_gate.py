"""Rules compared with the champion and of the worst slice, as pure decisions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_ml_provider.decisions.models.champion import Tolerance
from airflow_ml_provider.decisions.models.gate_rules import Gate, GateError, judge_all


def judged(gate, mine, theirs, *, intervals=None, slices=None):
    return judge_all(
        Gate.read(gate), mine, champion=theirs, champion_name="m", intervals=intervals or {}, slices=slices or {}
    )


@pytest.mark.parametrize(
    ("rule", "mine", "theirs", "passed"),
    [
        ({"rmse": "at most 1% worse"}, 10.1, 10.0, True),
        ({"rmse": "at most 1% worse"}, 10.11, 10.0, False),
        ({"rmse": "at most 1% worse"}, 5.0, 10.0, True),
        ({"f1": "at most 1% worse"}, 0.99, 1.0, True),
        ({"f1": "at most 1% worse"}, 0.98, 1.0, False),
        ({"r2": "at most 10% worse"}, -1.1, -1.0, True),
        ({"r2": "at most 10% worse"}, -1.2, -1.0, False),
        ({"rmse": "at most 0.5 worse"}, 10.5, 10.0, True),
        ({"rmse": "at most 0.5 worse"}, 10.6, 10.0, False),
        ({"rmse": "not worse"}, 10.0, 10.0, True),
        ({"rmse": "not worse"}, 10.1, 10.0, False),
        ({"rmse": "better"}, 10.0, 10.0, False),
        ({"rmse": "better"}, 9.9, 10.0, True),
        ({"rmse": "at least 2% better"}, 9.8, 10.0, True),
        ({"rmse": "at least 2% better"}, 9.9, 10.0, False),
        ({"wins": "not worse, higher is better"}, 3.0, 2.0, True),
        ({"wins": "not worse, higher is better"}, 1.0, 2.0, False),
        ({"val_rmse": "not worse"}, 1.0, 2.0, True),
        ({"rmse": "not worse, higher is better"}, 1.0, 2.0, False),
        ({"rmse": "at most 1% worse"}, 0.0, 0.0, True),
        ({"rmse": "better"}, 0.1 + 0.2, 0.3 + 1e-17, False),
    ],
)
def test_a_challenger_next_to_the_champion(rule, mine, theirs, passed):
    (metric,) = rule
    verdict = judged({"champion": rule}, {metric: mine}, {metric: theirs})
    assert verdict.passed is passed, verdict.reasons


def test_a_threshold_says_which_values_are_better():
    assert judged({"wins": "> 1", "champion": {"wins": "not worse"}}, {"wins": 3.0}, {"wins": 2.0}).passed
    assert not judged({"cost": "< 9", "champion": {"cost": "not worse"}}, {"cost": 3.0}, {"cost": 2.0}).passed


def test_without_a_champion_the_other_rules_hold_still():
    rules = {"rmse": "< 5", "champion": {"rmse": "better"}}
    assert judged(rules, {"rmse": 4.0}, None).passed
    assert not judged(rules, {"rmse": 6.0}, None).passed


def test_a_metric_that_one_of_both_lacks_does_not_pass():
    for mine, theirs in (({}, {"rmse": 1.0}), ({"rmse": 1.0}, {})):
        assert not judged({"champion": {"rmse": "not worse"}}, mine, theirs).passed


@pytest.mark.parametrize(
    ("metric", "interval", "passed"),
    [
        ("rmse", (-0.2, 0.05), True),
        ("rmse", (-0.2, 0.2), False),
        ("f1", (-0.05, 0.2), True),
        ("f1", (-0.2, 0.2), False),
    ],
)
def test_the_worse_end_of_an_interval_has_to_be_within_the_tolerance(metric, interval, passed):
    rule = {"champion": {metric: "at most 0.1 worse"}}
    assert judged(rule, {metric: 1.0}, {metric: 1.0}, intervals={metric: interval}).passed is passed


def test_the_worst_slice_is_named():
    slices = {"a=1": {"rmse": 3.0, "rows": 50.0}, "a=2": {"rmse": 7.0, "rows": 50.0}}
    verdict = judged({"worst_slice": {"rmse": "< 5"}}, {"rmse": 4.0}, None, slices=slices)
    assert (verdict.passed, verdict.reasons) == (False, ("worst slice, a=2: rmse is 7, not < 5",))
    assert judged({"worst_slice": {"rmse": "< 8"}}, {"rmse": 4.0}, None, slices=slices).passed
    accurate = {"a": {"accuracy": 0.99}, "b": {"accuracy": 0.1}}
    rules = {"worst_slice": {"accuracy": ">= 0.6"}, "champion": {"accuracy": "not worse"}}
    assert not judged(rules, {"accuracy": 0.9}, None, slices=accurate).passed
    assert not judged({"worst_slice": {"rmse": "< 8"}}, {"rmse": 4.0}, None).passed


@pytest.mark.parametrize(
    ("gate", "where", "says"),
    [
        ({"rmse": "20"}, ("rmse",), "not a threshold"),
        ({"champion": "better"}, ("champion",), "not a mapping"),
        ({"champion": {"rmse": "1% worse"}}, ("champion", "rmse"), "not a tolerance"),
        ({"champion": {"wins": "better"}}, ("champion", "wins"), "lower is better"),
        (
            {"accuracy": "< 0.999", "champion": {"accuracy": "better"}},
            ("champion", "accuracy"),
            "higher values are better",
        ),
        ({"worst_slice": {"rmse": "better"}}, ("worst_slice", "rmse"), "not a threshold"),
    ],
)
def test_a_rule_that_is_none_is_reported_with_its_place(gate, where, says):
    with pytest.raises(GateError, match=says) as error:
        Gate.read(gate)
    assert error.value.where == where


@given(
    st.floats(0.01, 100),
    st.floats(0.01, 100),
    st.sampled_from(["at most 5% worse", "at most 0.3 worse", "not worse", "better", "at least 5% better"]),
)
def test_what_is_worse_one_way_round_is_better_the_other(mine, theirs, text):
    tolerance = Tolerance.parse(text)
    assert tolerance.allowed <= 0 or "at most" in text
    lower = judged({"champion": {"x": f"{text}, lower is better"}}, {"x": mine}, {"x": theirs})
    higher = judged({"champion": {"x": f"{text}, higher is better"}}, {"x": -mine}, {"x": -theirs})
    assert lower.passed == higher.passed
