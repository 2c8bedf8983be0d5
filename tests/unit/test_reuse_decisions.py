"""What a result depends on, and whether an earlier one is taken."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_ml_provider.decisions.provenance import Provenance, by_content, first_difference, unreproducible
from airflow_ml_provider.decisions.reuse import CachePolicy, verdict
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kinds.cache_policy import cache_policy
from airflow_ml_provider.spec.cache import CacheSpec, cache_argument

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
COMPONENTS = st.dictionaries(st.text(min_size=1), JSON, max_size=6)
DAY = 86_400.0


@given(COMPONENTS)
def test_the_order_in_which_components_are_named_does_not_count(components):
    reversed_ = dict(reversed(components.items()))
    assert Provenance.of(components).key == Provenance.of(reversed_).key
    assert first_difference(components, reversed_) == ""


@given(COMPONENTS, COMPONENTS)
def test_a_difference_is_reported_exactly_when_the_key_is_another(one, other):
    same = Provenance.of(one).key == Provenance.of(other).key
    # 1 and 1.0 and True are equal in Python and different texts in JSON: a key too many is a run too many, no error.
    assert same <= (first_difference(one, other) == "")
    if first_difference(one, other):
        assert not same


def test_what_is_ignored_does_not_count():
    one = {"code": "a", "params.seed": 1, "params.depth": 2}
    other = {**one, "params.seed": 7}
    assert Provenance.of(one).key != Provenance.of(other).key
    assert Provenance.of(one, ignore=["params.seed"]) == Provenance.of(other, ignore=["params.seed"])
    assert Provenance.of(one, ignore=["params"]).components == {"code": "a"}


def test_a_reference_counts_by_its_content():
    ref = {"uri": "s3://a/1", "digest": "sha256:00", "type": "file", "size": 1}
    assert by_content({"suite": ref, "name": "x", "all": [ref]}) == {
        "suite": "sha256:00",
        "name": "x",
        "all": ["sha256:00"],
    }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"params.max_depth": 4}, {"params.max_depth": 6}, "params.max_depth 4 -> 6"),
        ({}, {"params.seed": 1}, "params.seed is new: 1"),
        ({"params.seed": 1}, {}, "params.seed is gone, it was 1"),
        (
            {"code": "sha256:" + "0" * 64},
            {"code": "sha256:" + "1" * 64},
            "code sha256:000000000000 -> sha256:111111111111",
        ),
        ({"image": "a", "params.x": 1}, {"image": "b", "params.x": 2}, "image a -> b and 1 more"),
        ({"command": ["x" * 100]}, {"command": ["y"]}, f'command ["{"x" * 55}... -> ["y"]'),
    ],
)
def test_the_first_change_is_named(old, new, told):
    assert first_difference(old, new) == told


@pytest.mark.parametrize(
    ("policy", "found", "flaw", "before", "now", "told"),
    [
        (CachePolicy(), None, "", None, 10.0, "runs because no result of it was kept yet"),
        (CachePolicy(), None, "", {"params.a": 1}, 10.0, "runs because params.a 1 -> 2"),
        (CachePolicy(), None, "", {"params.a": 2}, 10.0, "runs because its earlier result is not kept any more"),
        (CachePolicy(), ("r1", 0.0), "gone", None, 10.0, "runs because the result of run r1 cannot be used: gone"),
        (CachePolicy(), ("r1", 0.0), "", None, 900 * DAY, "reused from run r1"),
        (
            CachePolicy(ttl=timedelta(days=7)),
            ("r1", 0.0),
            "",
            None,
            8 * DAY,
            "runs because the result of run r1 is 8 days, 0:00:00 old, ttl is 7 days, 0:00:00",
        ),
        (CachePolicy(ttl=timedelta(days=7)), ("r1", 0.0), "", None, 7 * DAY, "reused from run r1"),
        # The clock of the worker that kept it was ahead.
        (CachePolicy(ttl=timedelta(days=7)), ("r1", 99.0), "", None, 10.0, "reused from run r1"),
    ],
)
def test_the_verdict(policy, found, flaw, before, now, told):
    reuse = verdict(found=found, flaw=flaw, before=before, now_components={"params.a": 2}, policy=policy, now=now)
    assert str(reuse) == told


@pytest.mark.parametrize(
    ("runner", "image", "trust", "ships", "built_in", "why"),
    [
        ("local", "", False, True, False, ""),
        ("local", "", False, False, True, ""),
        ("local", "", False, False, False, "its code does not travel with it"),
        ("kubernetes", "a@sha256:" + "0" * 64, False, False, False, ""),
        ("kubernetes", "a:1", False, True, False, "image a:1 is a tag"),
        ("kubernetes", "a:1", True, False, False, ""),
        ("kubernetes", "", True, True, False, "its image is named by a pod template"),
    ],
)
def test_what_is_not_known_by_content_is_not_reused(runner, image, trust, ships, built_in, why):
    told = unreproducible(
        runner=runner, image=image, trust_tag=trust, ships_code=ships, built_in=built_in, uses_command=False
    )
    assert told.startswith(why)
    assert bool(told) == bool(why)


def test_a_stages_settings_come_before_its_pipelines():
    week = CacheSpec.model_validate({"ttl": "7d", "ignore": ["params.seed"]})
    stage = CacheSpec.model_validate({"ttl": "1d", "version": 2})
    assert cache_argument(False, None) is False
    assert cache_argument(week, False) is False
    assert cache_argument(False, True) is True
    assert cache_argument(week, None) == {"ignore": ["params.seed"], "ttl": timedelta(days=7)}
    merged = cache_argument(week, stage)
    assert merged == {"ignore": ["params.seed"], "ttl": timedelta(days=1), "version": 2}
    assert cache_policy(merged, task_id="t") == CachePolicy(timedelta(days=1), ("params.seed",), "2", False)


@pytest.mark.parametrize(
    ("cache", "told"),
    [
        ("yes", "cache is 'yes'; give True, False or a mapping"),
        ({"tll": 1}, "cache has no 'tll'; it has ignore, image, ttl, version"),
        ({"ttl": 7}, "cache.ttl is 7; give a timedelta above 0"),
        ({"image": "trust"}, "cache.image is 'trust'; allowed is 'trust-tag'"),
        ({"ignore": "params.seed"}, "cache.ignore is 'params.seed'; give a list"),
    ],
)
def test_an_argument_that_is_no_policy_is_refused(cache, told):
    with pytest.raises(StageConfigurationError, match=told):
        cache_policy(cache, task_id="train")
