"""What an endpoint is to do next, and what its servers counted."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_ml_provider.decisions.serving.rollout import (
    Revision,
    Serving,
    checked_steps,
    guard_at,
    next_move,
    replicas_beside,
    shared_requests,
    steps_left,
)
from airflow_ml_provider.decisions.serving.server_state import server_fault
from airflow_ml_provider.pod.server import service_change
from airflow_ml_provider.runtime.stages.serve.asking import Answer, difference, fault
from airflow_ml_provider.runtime.stages.serve.counters import LIMITS, Counters, summed
from airflow_ml_provider.runtime.stages.serve.front import turn

A, B, C = (Revision(name, "line", version) for name, version in (("v1-a", "1"), ("v2-b", "2"), ("v3-c", "3")))


@pytest.mark.parametrize(
    ("serving", "move"),
    [
        (Serving(), "begin"),
        (Serving(stable=A), "begin"),
        (Serving(stable=B), "nothing"),
        (Serving(stable=A, candidate=B, percent=10), "go_on"),
        (Serving(stable=A, candidate=C, percent=10), "undo"),
        (Serving(stable=B, candidate=C, percent=10), "undo"),
        (Serving(stable=A, candidate=C, percent=100, decided=True), "finish"),
        (Serving(stable=A, candidate=B, percent=100, decided=True), "finish"),
        (Serving(candidate=B), "go_on"),
    ],
)
def test_the_next_move(serving, move):
    assert next_move(serving, B) == move


@given(
    st.builds(
        Serving,
        st.none() | st.sampled_from([A, B]),
        st.none() | st.sampled_from([A, B, C]),
        st.integers(0, 100),
        st.booleans(),
    )
)
def test_what_is_served_is_read_as_it_was_written(serving):
    assert Serving.from_plain(serving.to_plain()) == serving


@pytest.mark.parametrize("plain", [None, {}, {"stable": 1, "candidate": None, "percent": 0, "decided": False}, []])
def test_what_is_no_state_is_refused(plain):
    with pytest.raises(ValueError, match="does not say what is served"):
        Serving.from_plain(plain)


def test_a_revision_is_what_its_servers_are_made_of():
    assert Revision.of("m", "3", {"a": 1, "b": 2}) == Revision.of("m", "3", {"b": 2, "a": 1})
    others = (("m", "3", {"a": 1}), ("m", "3", {"a": 2}), ("m", "4", {"a": 1}), ("n", "4", {"a": 1}))
    assert len({Revision.of(*other).name for other in others}) == 4


@pytest.mark.parametrize("steps", [[0], [95], [101], [50, 10], [10, 10], [True], [10.5], ["10"]])
def test_steps_that_are_none(steps):
    with pytest.raises(ValueError, match="canary|do not rise"):
        checked_steps(steps)


def test_what_needs_two_revisions_at_once():
    assert shared_requests([10, 100], {}) == "canary [10, 100]"
    assert shared_requests([100], {"error_rate": "< 0.01"}) == ""
    assert shared_requests([], {"p95_seconds": "< stable_p95_seconds"}) == "guard p95_seconds: '< stable_p95_seconds'"
    assert shared_requests([], {"stable_errors": "< 1"}) == "guard stable_errors: '< 1'"


def test_steps():
    assert checked_steps([]) == [100]
    assert checked_steps([10, 50]) == [10, 50, 100]
    assert steps_left([10, 50, 100], Serving(candidate=B)) == [100]
    assert steps_left([10, 50, 100], Serving(stable=A, candidate=B, percent=50)) == [50, 100]


@given(st.integers(1, 50), st.integers(1, 90))
def test_new_servers_get_at_least_their_part_and_one_fewer_would_not_do(stable, percent):
    found = replicas_beside(stable, percent, wanted=3)
    assert found / (stable + found) >= percent / 100 - 1e-9
    assert found == 1 or (found - 1) / (stable + found - 1) < percent / 100
    assert replicas_beside(stable, 100, wanted=3) == 3


@pytest.mark.parametrize(
    ("serving", "revision"),
    [
        (Serving(candidate=B), "none"),
        (Serving(stable=A), "v1-a"),
        (Serving(stable=A, candidate=B), "v1-a"),
        (Serving(stable=A, candidate=B, percent=10), None),
        (Serving(stable=A, candidate=B, percent=100), "v2-b"),
    ],
)
def test_the_services_selector_says_what_its_annotation_says(serving, revision):
    assert service_change("x", serving)["spec"]["selector"]["airflow-ml/revision"] == revision


@given(st.lists(st.tuples(st.sampled_from([200, 400, 500, 503]), st.floats(0, 60)), max_size=50))
def test_counts_are_read_as_they_were_written(answers):
    counters = Counters()
    for status, seconds in answers:
        counters.count(status=status, seconds=seconds)
    assert Counters.read(counters.text()) == counters
    refused = sum(400 <= status < 500 for status, _ in answers)
    assert counters.refused == refused
    assert counters.requests == len(answers) - refused == sum(counters.buckets)
    assert summed([counters, counters]).since(counters) == counters
    assert counters.since(summed([counters, counters])) == counters
    for share in (0.5, 0.95):
        ranked = sorted(seconds for status, seconds in answers if not 400 <= status < 500)
        if ranked:
            exact = ranked[max(0, math.ceil(share * len(ranked)) - 1)]
            upper = next(limit for limit in LIMITS if exact <= limit)
            assert counters.quantile(share) <= upper


def test_another_servers_metrics_are_none_of_ours():
    assert Counters.read("# HELP python_info x\npython_info 1\n") is None
    assert Counters.read("") is None


@pytest.mark.parametrize(
    ("wanted", "found", "told"),
    [
        ([1.0, 2.0], [1.0 + 1e-9, 2.0], ""),
        ([1.0, 2.0], [1.0, 2.1], "predictions[1] is 2.1"),
        ([1.0], [1.0, 2.0], "has 2 entries"),
        ([{"a": 1, "b": "x"}], [{"a": 1, "b": "y"}], "predictions[0].b is 'y'"),
        ([{"a": 1}], [{"b": 1}], "has the keys ['b']"),
        ([True], [1], "predictions[0] is 1"),
        (["cat"], ["dog"], "'dog', the model itself gives 'cat'"),
        ([None], [None], ""),
        ([float("nan")], [float("nan")], ""),
        ([1e-9], [9e-7], "predictions[0] is 9e-07"),
        ([0.0], [1e-13], ""),
    ],
)
def test_an_answer_next_to_the_models_own(wanted, found, told):
    said = difference(wanted, found, "predictions")
    assert (told in said) if told else said == ""


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(0, "ConnectionRefusedError: x", 0.1), "there was no answer"),
        (Answer(500, "no", 0.1), "the answer was 500: no"),
        (Answer(200, "<html>", 0.1), "is not JSON"),
        (Answer(200, "[1]", 0.1), "holds no predictions"),
        (Answer(200, '{"predictions": [1]}', 0.1), ""),
    ],
)
def test_what_is_wrong_with_an_answer(answer, told):
    said = fault(answer, '{"predictions": [1]}')
    assert (told in said) if told else said == ""


def test_each_connection_goes_where_its_turn_is():
    serving = Serving(stable=A, candidate=B, percent=30).to_plain()
    ports = {"v1-a": [1], "v2-b": [2]}
    assert turn(serving, ports, chance=0.29) == [2, 1]
    assert turn(serving, ports, chance=0.31) == [1]
    assert turn(Serving(stable=A).to_plain(), ports, chance=0.0) == [1]
    assert turn(Serving(candidate=B).to_plain(), ports, chance=0.0) == []


def pod(**status):
    statuses = [{"name": "base", **status}]
    scheduled = [{"type": "PodScheduled", "status": "True"}]
    return {
        "metadata": {"name": "x", "uid": "u"},
        "spec": {"containers": [{"name": "base"}]},
        "status": {"phase": "Pending", "conditions": scheduled, "containerStatuses": statuses},
    }


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (pod(state={"running": {}}), ""),
        (pod(state={"waiting": {"reason": "ContainerCreating"}}), ""),
        (pod(state={"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}), "does not exist"),
        (pod(state={"waiting": {"reason": "ErrImagePull", "message": "429 toomanyrequests"}}), ""),
        (pod(state={"waiting": {"reason": "CreateContainerConfigError", "message": "no secret"}}), "a Secret"),
        (pod(state={"terminated": {"exitCode": 0}}, restartCount=5), ""),
        (pod(state={"terminated": {"exitCode": 1}}, restartCount=0), ""),
        (pod(state={"waiting": {}}, lastState={"terminated": {"exitCode": 7}}, restartCount=2), "exit code 7"),
        (pod(state={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, restartCount=0), "OOMKilled"),
    ],
)
def test_why_a_server_will_not_become_ready(found, told):
    said = server_fault(found, container="base", seconds=30)
    assert (told in said) if told else said == ""
    found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert server_fault(found, container="base", seconds=30) == ""


def test_a_guard_next_to_what_served_before_holds_only_where_something_did():
    guard = {"error_rate": "< 0.01", "p95_seconds": "< stable_p95_seconds", "stable_error_rate": "< 1"}
    assert guard_at(guard, beside_others=True) == guard
    assert guard_at(guard, beside_others=False) == {"error_rate": "< 0.01"}
