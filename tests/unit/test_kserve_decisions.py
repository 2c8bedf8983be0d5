"""What an InferenceService is asked for next, against what KServe and Knative make of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_ml_provider.decisions.serving.kserve import (
    Ask,
    InferenceState,
    asks_without_knative,
    has_arrived,
    next_ask,
    share_of_pods,
)
from airflow_ml_provider.decisions.serving.rollout import Revision, Serving
from tests.live.kserve_rules import KnativeService, propagated, traffic_targets

A, B, C = (Revision(name, "line", version) for name, version in (("v1-a", "1"), ("v2-b", "2"), ("v3-c", "3")))


class Cluster:
    """KServe on Knative: told what to serve, it makes revisions, and sends requests to them when they are ready.

    What it says is what it saw when it looked last, not what it was asked for since.
    """

    def __init__(self):
        self.knative = KnativeService()
        self.component = {}
        self.asked = None
        self.generation = 0
        self.made_of = {"": None}

    def ask(self, asked):
        self.generation += asked != self.asked
        self.asked = asked

    def reconcile(self, *, starts):
        made_of = (self.asked.revision, self.asked.mark)
        if self.made_of[self.knative.created] != made_of:
            self.knative.count += 1
            self.knative.created = f"r{self.knative.count}"
            self.made_of[self.knative.created] = made_of
        if starts(self.asked.revision):
            self.knative.ready = self.knative.created
        targets = traffic_targets(self.component, self.asked.percent)
        self.component = propagated(self.component, self.knative, targets)

    def look(self):
        if self.asked is None:
            return None
        said = self.component
        ready = bool(said) and said["latestCreatedRevision"] == said["latestReadyRevision"]
        status = {"components": {"predictor": said}, "conditions": [{"type": "Ready", "status": str(ready)}]}
        labels = {"x": self.asked.revision, **({"m": self.asked.mark} if self.asked.mark else {})}
        predictor = {"labels": labels, "canaryTrafficPercent": self.asked.percent}
        found = {"metadata": {"generation": self.generation}, "spec": {"predictor": predictor}, "status": status}
        return InferenceState.of(found, label="x", mark="m")

    def next_ask(self, serving):
        ready = self.made_of[self.component.get("latestReadyRevision", "")]
        is_back = self.asked is not None and ready == (self.asked.revision, self.asked.mark)
        return next_ask(serving, self.look(), is_back=is_back)

    def requests(self):
        """Return the percent of the requests by what serves them."""
        found = {}
        for one in self.component.get("traffic", ()):
            name, _ = self.made_of[one["revisionName"]]
            found[name] = found.get(name, 0) + one["percent"]
        return {name: percent for name, percent in found.items() if percent}

    def follow(self, serving, *, starts=lambda name: True, rounds=12):
        for _ in range(rounds):
            asked = self.next_ask(serving)
            if asked is not None:
                self.ask(asked)
            self.reconcile(starts=starts)


def asks(cluster):
    return cluster.asked.revision, cluster.asked.percent


@pytest.fixture
def serving_a():
    cluster = Cluster()
    cluster.follow(Serving(stable=A))
    assert cluster.requests() == {"v1-a": 100}
    return cluster


@pytest.mark.parametrize(("percent", "gets"), [(10, 10), (50, 50), (90, 90), (100, 99)])
def test_a_candidate_gets_its_part_and_what_served_keeps_servers_until_it_is_promoted(serving_a, percent, gets):
    serving = Serving(stable=A, candidate=B)
    serving_a.follow(serving)
    assert serving_a.requests() == {"v1-a": 100}
    serving = serving.shifted(percent)
    serving_a.ask(serving_a.next_ask(serving))
    assert not has_arrived(serving_a.look())
    serving_a.follow(serving)
    assert serving_a.requests() == {"v1-a": 100 - gets, "v2-b": gets}
    assert has_arrived(serving_a.look())
    serving_a.follow(serving.promoted())
    assert serving_a.requests() == {"v2-b": 100}
    assert serving_a.asked == Ask("v2-b", None)
    assert has_arrived(serving_a.look())


@pytest.mark.parametrize("percent", [0, 10, 100])
def test_what_served_before_gets_all_requests_all_the_while_it_is_put_back(serving_a, percent):
    serving = Serving(stable=A, candidate=B).shifted(percent)
    serving_a.follow(serving)
    for look in range(12):
        # Two looks at what it says before it acts.
        for _ in range(2):
            asked = serving_a.next_ask(serving.rolled_back())
            if asked is not None:
                serving_a.ask(asked)
        serving_a.reconcile(starts=lambda _, look=look: look > 5)
        assert serving_a.requests() == {"v1-a": 100}
    assert asks(serving_a) == ("v1-a", None)
    assert serving_a.knative.count == 3


def test_a_candidate_that_never_starts_is_put_back_too(serving_a):
    serving = Serving(stable=A, candidate=B)
    serving_a.follow(serving, starts=lambda name: name != "v2-b")
    assert not serving_a.look().is_ready
    serving_a.follow(serving.rolled_back(), starts=lambda name: name != "v2-b")
    assert serving_a.requests() == {"v1-a": 100}
    assert asks(serving_a) == ("v1-a", None)


@given(st.data())
def test_whoever_stops_anywhere_the_next_one_ends_where_the_state_says(data):
    cluster = Cluster()
    cluster.follow(Serving(stable=A))
    serving = Serving(stable=A)
    broken = data.draw(st.booleans())

    def starts(name):
        return data.draw(st.booleans()) and not (broken and name == "v2-b")

    for _ in range(data.draw(st.integers(1, 15))):
        move = data.draw(st.sampled_from(["candidate", "shift", "back", "look", "look", "reconcile", "promote"]))
        if move == "candidate" and serving.candidate is None:
            others = [one for one in (A, B, C) if one != serving.stable]
            serving = serving.with_candidate(data.draw(st.sampled_from(others)))
        elif move == "shift" and serving.candidate is not None:
            serving = serving.shifted(data.draw(st.sampled_from([10, 50, 100])))
        elif move == "back":
            serving = serving.rolled_back()
        elif move == "promote" and serving.percent == 100 and has_arrived(cluster.look()):
            if cluster.requests().get(serving.candidate.name, 0) == 99:
                serving = serving.promoted()
        elif move == "look" and (asked := cluster.next_ask(serving)) is not None:
            cluster.ask(asked)
            cluster.reconcile(starts=starts)
            others = {name: part for name, part in cluster.requests().items() if name != serving.stable.name}
            assert sum(others.values()) <= 99
        else:
            cluster.reconcile(starts=starts)
        assert cluster.requests().get(serving.stable.name, 0) >= 1, "what serves keeps its servers"
    cluster.follow(serving.rolled_back(), starts=lambda name: not (broken and name == "v2-b"))
    assert cluster.requests() == {serving.stable.name: 100}
    assert asks(cluster) == (serving.stable.name, None)


def test_a_candidate_waits_for_the_one_before_that_was_promoted_and_not_reported_yet(serving_a):
    serving = Serving(stable=A, candidate=B).shifted(100)
    serving_a.follow(serving)
    promoted = serving.promoted()
    assert asks(serving_a) == ("v2-b", 99)
    assert serving_a.next_ask(promoted.with_candidate(A)) == Ask("v2-b", None)


def test_a_candidate_begins_once_the_one_before_is_rolled_out(serving_a):
    serving = Serving(stable=A, candidate=B).shifted(100)
    serving_a.follow(serving)
    promoted = serving.promoted()
    serving_a.ask(serving_a.next_ask(promoted))
    # It has not looked yet.
    assert serving_a.next_ask(promoted.with_candidate(A)) == Ask("v2-b", None)
    serving_a.follow(promoted.with_candidate(A).shifted(50))
    assert serving_a.requests() == {"v1-a": 50, "v2-b": 50}


def test_without_knative_a_candidate_is_asked_next_to_until_it_gets_all_requests():
    begun = Serving(stable=A, candidate=B)
    assert asks_without_knative(Serving(candidate=B)) == (Ask("v2-b", None), None)
    assert asks_without_knative(begun) == (Ask("v1-a", None), Ask("v2-b", None))
    assert asks_without_knative(begun.shifted(100)) == (Ask("v2-b", None), None)
    assert asks_without_knative(begun.shifted(100).promoted()) == (Ask("v2-b", None), None)
    assert asks_without_knative(begun.rolled_back()) == (Ask("v1-a", None), None)
    assert share_of_pods(A, []) == 0
    assert share_of_pods(A, ["v1-a", "v2-b"]) == 0.5


def test_what_kserve_says_of_a_failure_is_reported():
    status = {
        "modelStatus": {"lastFailureInfo": {"reason": "ModelLoadFailed", "message": "no weights"}},
        "conditions": [
            {"type": "PredictorReady", "status": "False", "reason": "RevisionFailed"},
            {"type": "IngressReady", "status": "Unknown", "message": "not yet"},
        ],
    }
    found = InferenceState.of({"metadata": {}, "spec": {"predictor": {}}, "status": status}, label="x", mark="m")
    assert found.message == "ModelLoadFailed: no weights; PredictorReady: RevisionFailed"
    assert InferenceState.of({"metadata": {}, "spec": {"predictor": {}}}, label="x", mark="m").message == ""
