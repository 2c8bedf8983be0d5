"""Exactly once: whatever happens between a look, a claim and its end, each version is in one committed claim."""

import uuid
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from airflow_ml_provider.artifacts import claims as claims_module
from airflow_ml_provider.artifacts.claims import SourceClaims
from airflow_ml_provider.artifacts.errors import ClaimInUseError
from airflow_ml_provider.protocol.manifest import SourceObject
from tests.looks import look


class Exactly(RuleBasedStateMachine):
    """Objects come, change, vanish and come late; runs look, claim, die, succeed, are cleared, released, replayed."""

    looks = Bundle("looks")

    @initialize(
        parts=st.sampled_from([{}, dict.fromkeys("abcd", "x") | dict.fromkeys("efgh", "y")]),
        lookback=st.sampled_from([None, 30.0]),
    )
    def begin(self, parts, lookback):
        """With a lookback, as rows are listed: not from the beginning, and none becomes visible later than it."""
        self.parts = parts
        self.lookback = lookback
        self.claims = SourceClaims(f"memory://claims/{uuid.uuid4()}", pipeline="p", source="s")
        self.now = 1000.0
        self.ledger = None
        self.listed = {}
        self.ever = set()
        self.committed = Counter()
        self.runs = 0
        self.given = {}
        self.versions = 0
        self.objects_are_written(set("abcdefgh"), 2000.0)

    @rule(names=st.sets(st.sampled_from("abcdefgh"), min_size=1), ago=st.sampled_from([-100.0, 0.0, 6.0, 2000.0]))
    def objects_are_written(self, names, ago):
        """With any time: late ones come with old times, some share theirs, clocks are ahead."""
        if self.lookback is not None and self.versions:
            ago = min(max(ago, 0.0), 25.0)
        for name in sorted(names):
            self.versions += 1
            part = self.parts.get(name, "")
            self.listed[name] = SourceObject(f"s3://raw/{name}", f"v{self.versions}", 1, self.now - ago, part)

    @rule(name=st.sampled_from("abcdef"))
    def an_object_vanishes(self, name):
        self.listed.pop(name, None)

    @rule(seconds=st.floats(0, 50))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(target=looks, limit=st.integers(1, 4), partition=st.sampled_from([None, "x", "y"]))
    def a_run_looks(self, limit, partition):
        """And then waits, dies, or claims much later, on what it saw now."""
        self.runs += 1
        return (f"r{self.runs}", *self._look(limit, partition if self.parts else None))

    @rule(seen=consumes(looks))
    def a_run_claims(self, seen):
        run, ledger, found = seen
        if found.new:
            self._claim(run, ledger, found)

    @rule(limit=st.integers(1, 4))
    def a_run_looks_and_claims(self, limit):
        self.a_run_claims((f"now{self.runs}", *self.a_run_looks(limit, None)[1:]))

    @rule(seen=looks)
    def a_task_is_tried_again(self, seen):
        """After its worker died, before or after the claim."""
        run, *_ = seen
        found = self.claims.of_run(self.claims.read(), run)
        if found is not None:
            assert found[0].objects == self.given[run]
            return
        ledger, found = self._look(2)
        if found.new:
            self._claim(run, ledger, found)

    @rule(data=st.data())
    def a_run_succeeds(self, data):
        self._end(data, "committed")

    @rule(data=st.data())
    def a_claim_is_released(self, data):
        self._end(data, "released")

    @rule()
    def a_snapshot_is_kept(self):
        self.claims.keep_snapshot(self.claims.read(), lookback=self.lookback)

    @rule(data=st.data())
    def a_claim_is_replayed(self, data):
        ledger = self.claims.read()
        everything = self.claims.all(ledger)
        if not everything:
            return
        claim = data.draw(st.sampled_from(everything))
        open_now = {key(found) for held in ledger.open() for found in held.objects}
        try:
            self.claims.replay(ledger, (claim.number,), reason="", now=self.now)
        except ClaimInUseError:
            committed = self.claims.is_committed(ledger, claim.number)
            assert not committed or open_now & {key(found) for found in claim.objects}
        else:
            for found in claim.objects:
                self.committed[key(found)] = 0

    @rule(skip=st.booleans())
    def the_source_is_reset(self, skip):
        ledger = self.claims.read()
        given = tuple(self.listed.values()) if skip else ()
        try:
            self.claims.reset(ledger, given=given, reason="", now=self.now)
        except ClaimInUseError:
            assert ledger.open()
        else:
            self.committed = Counter(map(key, given))

    @invariant()
    def none_is_committed_twice(self):
        assert max(self.committed.values(), default=0) <= 1

    @invariant()
    def a_partition_has_one_run(self):
        parts = [held.objects[0].partition for held in self.claims.read().open()]
        busy = [part for part in parts if part]
        assert len(busy) == len(set(busy))

    def teardown(self):
        if not hasattr(self, "claims"):
            return
        for claim in self.claims.read().open():
            self._ended(claim, self.claims.end(claim.number, outcome="committed", reason="", now=self.now))
        self.now += 10_000.0
        while True:
            self.runs += 1
            ledger, found = self._look(3)
            if not found.new:
                break
            self._claim(f"r{self.runs}", ledger, found)
            (claim,) = self.claims.read().open()
            self._ended(claim, self.claims.end(claim.number, outcome="committed", reason="", now=self.now))
        self.none_is_committed_twice()
        assert all(self.committed[key(found)] == 1 for found in self.listed.values())

    def _look(self, limit, partition=None):
        # As a trigger does: what it read before is not read again.
        self.ledger = ledger = self.claims.read(self.ledger)
        begin = None if self.lookback is None else ledger.begin(self.lookback)
        listing = [found for found in self.listed.values() if begin is None or found.changed >= begin]
        rules = {"is_handed_out": ledger.is_handed_out, "busy": ledger.busy(), "returned": ledger.returned}
        seen = look(listing, now=self.now, limit=limit, partition=partition, **rules)
        assert len({found.partition for found in seen.new}) <= 1
        return ledger, seen

    def _claim(self, run, ledger, seen):
        more = {"left": seen.left, "gone": seen.gone}
        claim = self.claims.claim(ledger, dag_run=run, objects=seen.new, now=self.now, **more)
        if claim is not None:
            self.given[run] = claim.objects

    def _end(self, data, outcome):
        ledger = self.claims.read()
        runs = sorted(number for number, claim in ledger.claims.items() if claim.dag_run)
        if runs:
            number = data.draw(st.sampled_from(runs))
            known = ledger.ends.get(number)
            end = self.claims.end(number, outcome=outcome, reason="", now=self.now)
            assert known is None or end == known
            if known is None:
                self._ended(ledger.claims[number], end)

    def _ended(self, claim, end):
        if end.outcome == "committed":
            self.committed.update(map(key, claim.objects))


def key(found):
    return found.uri, found.version


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(claims_module, "SNAPSHOT_EVERY", 2)


def test_each_version_is_in_exactly_one_committed_claim(often):
    run_state_machine_as_test(Exactly, settings=settings(max_examples=120, stateful_step_count=50, deadline=None))
