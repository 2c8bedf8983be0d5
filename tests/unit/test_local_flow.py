"""Which stages of a local run begin, and what becomes of the others."""

import pytest

from airflow_ml_provider.local.flow import StageFlow

DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["d"]}


def after(states, upstream=DIAMOND):
    flow = StageFlow(upstream)
    flow.states.update(states)
    flow.settle()
    return flow


def test_a_stage_begins_when_all_before_it_succeeded():
    assert after({}).ready() == ["a"]
    assert after({"a": "success"}).ready() == ["b", "c"]
    assert after({"a": "success", "b": "success", "c": "running"}).ready() == []
    assert after({"a": "success", "b": "success", "c": "success"}).ready() == ["d"]


@pytest.mark.parametrize(
    ("states", "becomes"),
    [
        ({"a": "failed"}, dict.fromkeys("bcde", "upstream_failed")),
        ({"a": "success", "b": "failed", "c": "running"}, dict.fromkeys("de", "upstream_failed")),
        ({"a": "success", "b": "skipped", "c": "running"}, dict.fromkeys("de", "skipped")),
        ({"a": "success", "b": "skipped", "c": "failed"}, dict.fromkeys("de", "upstream_failed")),
    ],
)
def test_what_cannot_begin_gets_the_state_that_airflow_gives_it(states, becomes):
    flow = after(states)

    assert {name: flow.states[name] for name in becomes} == becomes
    assert flow.ready() == []


def test_a_branch_keeps_what_follows_it_also_where_that_is_directly_downstream():
    flow = StageFlow({"gate": [], "good": ["gate"], "bad": ["gate"], "join": ["gate", "good"], "last": ["join"]})
    flow.states["gate"] = "success"

    assert flow.take("gate", ["good"]) == ["bad"]
    assert flow.ready() == ["good"]
    assert not flow.is_over
