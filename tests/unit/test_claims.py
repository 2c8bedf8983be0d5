"""Exactly once: whatever happens between a look, a claim and its end, each version is in one committed claim."""

import time
import uuid
from pathlib import Path

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
from airflow_ml_provider.artifacts.errors import ArtifactCorruptError
from airflow_ml_provider.artifacts.listing import entry_of, objects, version_of
from airflow_ml_provider.artifacts.objects import filesystem, write_object
from airflow_ml_provider.decisions.new_data import look
from airflow_ml_provider.protocol.manifest import SourceObject, from_lines, to_lines
from airflow_ml_provider.testing.airflow_api import wait_until

SETTLE = 5.0


class Exactly(RuleBasedStateMachine):
    """Objects come, change, vanish and come late; runs look, claim, die, succeed, are cleared and released."""

    looks = Bundle("looks")

    @initialize()
    def begin(self):
        self.claims = SourceClaims(f"memory://claims/{uuid.uuid4()}", pipeline="p", source="s")
        self.now = 1000.0
        self.listed = {}
        self.ever = set()
        self.committed = []
        self.runs = 0
        self.given = {}
        self.versions = 0
        self.objects_are_written(set("abcdefgh"), 2000.0)

    @rule(names=st.sets(st.sampled_from("abcdefgh"), min_size=1), ago=st.sampled_from([-100.0, 0.0, 6.0, 2000.0]))
    def objects_are_written(self, names, ago):
        """With any time: late ones come with old times, some share theirs, clocks are ahead."""
        for name in sorted(names):
            self.versions += 1
            self.listed[name] = SourceObject(f"s3://raw/{name}", f"v{self.versions}", 1, self.now - ago)

    @rule(name=st.sampled_from("abcdef"))
    def an_object_vanishes(self, name):
        self.listed.pop(name, None)

    @rule(seconds=st.floats(0, 50))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(target=looks, limit=st.integers(1, 4))
    def a_run_looks(self, limit):
        """And then waits, dies, or claims much later, on what it saw now."""
        self.runs += 1
        return (f"r{self.runs}", *self._look(limit))

    @rule(seen=consumes(looks))
    def a_run_claims(self, seen):
        run, ledger, new = seen
        if new:
            self._claim(run, ledger, new)

    @rule(limit=st.integers(1, 4))
    def a_run_looks_and_claims(self, limit):
        self.a_run_claims((f"now{self.runs}", *self.a_run_looks(limit)[1:]))

    @rule(seen=looks)
    def a_task_is_tried_again(self, seen):
        """After its worker died, before or after the claim."""
        run, *_ = seen
        found = self.claims.of_run(self.claims.read(), run)
        if found is not None:
            assert found[0].objects == self.given[run]
            return
        ledger, new = self._look(2)
        if new:
            self._claim(run, ledger, new)

    @rule(data=st.data())
    def a_run_succeeds(self, data):
        self._end(data, "committed")

    @rule(data=st.data())
    def a_claim_is_released(self, data):
        self._end(data, "released")

    @rule()
    def a_snapshot_is_kept(self):
        self.claims.keep_snapshot(self.claims.read())

    @invariant()
    def none_is_committed_twice(self):
        assert len(self.committed) == len(set(self.committed))

    def teardown(self):
        if not hasattr(self, "claims"):
            return
        for claim in self.claims.read().open():
            self._ended(claim, self.claims.end(claim.number, outcome="committed", reason="", now=self.now))
        self.now += 10_000.0
        while True:
            self.runs += 1
            ledger, new = self._look(3)
            if not new:
                break
            self._claim(f"r{self.runs}", ledger, new)
            (claim,) = self.claims.read().open()
            self._ended(claim, self.claims.end(claim.number, outcome="committed", reason="", now=self.now))
        self.none_is_committed_twice()
        assert {(found.uri, found.version) for found in self.listed.values()} <= set(self.committed)

    def _look(self, limit):
        ledger = self.claims.read()
        seen = look(self.listed.values(), is_handed_out=ledger.is_handed_out, now=self.now, settle=SETTLE, limit=limit)
        return ledger, seen.new

    def _claim(self, run, ledger, new):
        claim = self.claims.claim(ledger, dag_run=run, objects=new, now=self.now)
        if claim is not None:
            self.given[run] = claim.objects

    def _end(self, data, outcome):
        ledger = self.claims.read()
        if ledger.claims:
            number = data.draw(st.sampled_from(sorted(ledger.claims)))
            known = ledger.ends.get(number)
            end = self.claims.end(number, outcome=outcome, reason="", now=self.now)
            assert known is None or end == known
            if known is None:
                self._ended(ledger.claims[number], end)

    def _ended(self, claim, end):
        if end.outcome == "committed":
            self.committed += [(found.uri, found.version) for found in claim.objects]


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(claims_module, "SNAPSHOT_EVERY", 2)


def test_each_version_is_in_exactly_one_committed_claim(often):
    run_state_machine_as_test(Exactly, settings=settings(max_examples=120, stateful_step_count=50, deadline=None))


@pytest.fixture(params=["file", "memory", "s3"])
def store(request, tmp_path):
    if request.param == "file":
        return f"file://{tmp_path}/store"
    return request.getfixturevalue(f"{request.param}_store")


def found(name, version="1"):
    return SourceObject(f"s3://raw/{name}", version, 3, 10.0)


def test_of_two_runs_that_claim_at_once_one_looks_again(store):
    claims = SourceClaims(store, pipeline="p", source="s")
    one, other = claims.read(), claims.read()
    assert claims.claim(one, dag_run="r1", objects=(found("a"),), now=1.0).number == 1
    assert claims.claim(other, dag_run="r2", objects=(found("a"),), now=1.0) is None
    assert claims.read().is_handed_out(found("a"))
    assert not claims.read().is_handed_out(found("a", "2"))
    assert claims.of_run(claims.read(), "r2") is None


def test_a_claim_is_committed_or_released_and_never_both(store):
    claims = SourceClaims(store, pipeline="p", source="s")
    claims.claim(claims.read(), dag_run="r1", objects=(found("a"),), now=1.0)
    assert claims.end(1, outcome="released", reason="by me", now=2.0).outcome == "released"
    assert claims.end(1, outcome="committed", reason="its run succeeded", now=3.0).reason == "by me"
    ledger = claims.read()
    assert not ledger.is_handed_out(found("a"))
    assert claims.of_run(ledger, "r1")[1].outcome == "released"


def test_what_a_run_was_given_is_found_after_snapshots_too(store):
    claims = SourceClaims(store, pipeline="p", source="s")
    for number in range(1, 6):
        claims.claim(claims.read(), dag_run=f"r{number}", objects=(found(f"o{number}"),), now=1.0)
        claims.end(number, outcome="committed", reason="", now=2.0)
        claims.keep_snapshot(claims.read())
    ledger = claims.read()
    assert ledger.snapshot == 4
    assert ledger.claims.keys() == {5}
    assert all(ledger.is_handed_out(found(f"o{number}")) for number in range(1, 6))
    claim, end = claims.of_run(ledger, "r1")
    assert (claim.objects, end.outcome) == ((found("o1"),), "committed")


def test_a_snapshot_leaves_out_what_may_still_be_released(store):
    claims = SourceClaims(store, pipeline="p", source="s")
    for number in range(1, 4):
        claims.claim(claims.read(), dag_run=f"r{number}", objects=(found(f"o{number}"),), now=1.0)
    for number in (1, 2):
        claims.end(number, outcome="committed", reason="", now=2.0)
    claims.keep_snapshot(claims.read())
    claims.end(3, outcome="released", reason="", now=3.0)
    ledger = claims.read()
    assert (ledger.snapshot, ledger.is_handed_out(found("o2")), ledger.is_handed_out(found("o3"))) == (2, True, False)


def test_a_run_whose_task_died_before_its_note_is_found_for_ever(store):
    claims = SourceClaims(store, pipeline="p", source="s")
    claims.claim(claims.read(), dag_run="r1", objects=(found("a"),), now=1.0)
    fs, path = filesystem(f"{claims.uri}/runs/r1")
    fs.rm_file(path)
    assert claims.of_run(claims.read(), "r1")[0].number == 1
    for number in range(1, 4):
        claims.end(number, outcome="committed", reason="", now=2.0)
        claims.keep_snapshot(claims.read())
        claims.claim(claims.read(), dag_run=f"more{number}", objects=(found(f"o{number}"),), now=1.0)
    ledger = claims.read()
    assert 1 not in ledger.claims
    assert claims.of_run(ledger, "r1")[0].objects == (found("a"),)


def test_the_same_content_written_again_is_another_version(s3_store):
    write_object(f"{s3_store}/raw/a.csv", b"1")
    (first,) = objects(f"{s3_store}/raw/*.csv")
    wait_until(lambda: time.time() > int(first.changed) + 1, what="the next second of the store's clock", seconds=5)
    write_object(f"{s3_store}/raw/a.csv", b"1")
    (again,) = objects(f"{s3_store}/raw/*.csv")
    assert first.version != again.version
    fs, path = filesystem(again.uri)
    fs.invalidate_cache()
    assert version_of(entry_of(fs, path)) == again.version


def test_a_damaged_claim_is_told(store):
    claims = SourceClaims(store, pipeline="p", source="s")
    claims.claim(claims.read(), dag_run="r1", objects=(found("a"),), now=1.0)
    write_object(f"{claims.uri}/claims/0000000001.json", b'{"number": 1')
    with pytest.raises(ArtifactCorruptError, match=r"claims/0000000001.json cannot be read"):
        claims.read()


def test_what_is_listed(store):
    for name in ("raw/a.csv", "raw/b.csv", "raw/deep/c.csv", "raw/d.txt", "rawer/e.csv"):
        write_object(f"{store}/{name}", b"123")
    names = sorted(entry.uri.rpartition("store/")[2] for entry in objects(f"{store}/raw/*.csv"))
    assert [name.rpartition("/")[2] for name in names] == ["a.csv", "b.csv"]
    everywhere = {entry.uri.rpartition("/")[2] for entry in objects(f"{store}/raw/**/*.csv")}
    assert everywhere == {"a.csv", "b.csv", "c.csv"}
    (one,) = objects(f"{store}/raw/a.csv")
    assert (one.size, one.changed > 1_600_000_000) == (3, True)
    fs, path = filesystem(one.uri)
    assert fs.cat_file(path) == b"123"
    assert list(objects(f"{store}/none/*.csv")) == []


def test_a_manifest_is_read_as_it_was_written():
    entries = [found("a"), SourceObject("file:///x y/\u00e9.csv", "3 1.5 77", 3, 1.5)]
    assert list(from_lines(to_lines(entries))) == entries


@pytest.mark.parametrize(
    ("changed", "new", "unsettled", "again_at"),
    [
        (94.0, 1, 0, None),
        (95.0, 1, 0, None),
        (96.0, 0, 1, 101.0),
        (130.0, 0, 1, 135.0),
        (1e12, 1, 0, None),
        (0.0, 1, 0, None),
    ],
)
def test_an_object_settles(changed, new, unsettled, again_at):
    seen = look(
        [SourceObject("s3://raw/a", "1", 1, changed)],
        is_handed_out=lambda entry: False,
        now=100.0,
        settle=5.0,
        limit=10,
    )
    assert (len(seen.new), seen.unsettled, seen.again_at) == (new, unsettled, again_at)


def test_the_oldest_come_first_and_the_rest_is_counted():
    listing = [SourceObject(f"s3://raw/{number}", "1", 1, float(number % 7)) for number in range(20)]
    seen = look(iter(listing), is_handed_out=lambda entry: entry.uri.endswith("/0"), now=1e6, settle=1.0, limit=3)
    assert [entry.changed for entry in seen.new] == [0.0, 0.0, 1.0]
    assert seen.more == 16
    assert Path(seen.new[0].uri).name == "14"
