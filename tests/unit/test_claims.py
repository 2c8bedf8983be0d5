"""Exactly once: whatever happens between a look, a claim and its end, each version is in one committed claim."""

import time
import uuid
from collections import Counter
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
from airflow_ml_provider.artifacts.errors import ArtifactCorruptError, ClaimInUseError
from airflow_ml_provider.artifacts.ledger import Ledger
from airflow_ml_provider.artifacts.listing import entry_of, objects, version_of
from airflow_ml_provider.artifacts.objects import filesystem, write_object
from airflow_ml_provider.decisions.new_data import Looking
from airflow_ml_provider.decisions.settling import Marked, Quiet, Unchanged
from airflow_ml_provider.protocol.manifest import SourceObject, from_lines, to_lines
from airflow_ml_provider.testing.airflow_api import wait_until

SETTLING = Quiet(5.0)


def look(listing, *, is_handed_out=lambda entry: False, now=1e6, settling=SETTLING, limit=10, **more):
    looking = Looking(is_handed_out=is_handed_out, now=now, settling=settling, limit=limit, **more)
    for entry in listing:
        looking.add(entry)
    return looking.result()


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
    write_object(f"{claims.uri}/log/0000000001.claim.json", b'{"number": 1')
    with pytest.raises(ArtifactCorruptError, match=r"log/0000000001.claim.json cannot be read"):
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
    seen = look([SourceObject("s3://raw/a", "1", 1, changed)], now=100.0)
    assert (len(seen.new), seen.unsettled, seen.again_at) == (new, unsettled, again_at)


def test_the_oldest_come_first_and_the_rest_is_counted():
    listing = [SourceObject(f"s3://raw/{number}", "1", 1, float(number % 7)) for number in range(20)]
    seen = look(iter(listing), is_handed_out=lambda entry: entry.uri.endswith("/0"), limit=3)
    assert [entry.changed for entry in seen.new] == [0.0, 0.0, 1.0]
    assert seen.more == 16
    assert Path(seen.new[0].uri).name == "14"


def test_more_than_is_kept_is_counted():
    listing = [SourceObject(f"s3://raw/{number}", "1", 1, float(5000 - number)) for number in range(5000)]
    seen = look(listing, limit=2)
    assert ([entry.changed for entry in seen.new], seen.more) == ([1.0, 2.0], 4998)


def in_part(name, partition, changed=1.0):
    return SourceObject(f"s3://raw/{partition}/{name}", "1", 1, changed, partition)


def test_a_run_gets_one_partition_the_first_that_no_run_has():
    listing = [in_part("a", "2013-02"), in_part("b", "2013-01", 9.0), in_part("c", "2013-01"), in_part("d", "2013-03")]
    seen = look(listing)
    assert ([entry.uri[-1] for entry in seen.new], seen.partition, seen.more) == (["c", "b"], "2013-01", 2)
    seen = look(listing, busy={"2013-01"})
    assert ([entry.uri[-1] for entry in seen.new], seen.busy, seen.more) == (["a"], 2, 1)
    seen = look(listing, partition="2013-03", busy={"2013-01"})
    assert ([entry.uri[-1] for entry in seen.new], seen.busy, seen.more) == (["d"], 0, 0)


def test_a_marker_settles_what_is_in_its_folder_and_below():
    def listing(*names):
        return [SourceObject(f"s3://raw/{name}", "1", 1, 1e6 - 0.1) for name in names]

    settling = Marked("_SUCCESS")
    seen = look(listing("x/a", "x/deep/b", "y/c", "z"), settling=settling)
    assert (seen.new, seen.unsettled, seen.again_at) == ((), 4, None)
    seen = look(listing("x/a", "x/deep/b", "x/_SUCCESS", "y/c", "z"), settling=settling)
    assert ([entry.uri for entry in seen.new], seen.unsettled) == (["s3://raw/x/a", "s3://raw/x/deep/b"], 2)


def test_two_looks_that_saw_the_same_settle():
    settling = Unchanged(10.0)

    def at(now, version, earlier):
        return look([SourceObject("s3://raw/a", version, 1, 0.0)], now=now, settling=settling, earlier=earlier)

    first = at(100.0, "1", {})
    assert (first.new, first.unsettled, first.again_at) == ((), 1, 110.0)
    early = at(105.0, "1", first.sightings)
    assert (early.new, early.again_at) == ((), 110.0)
    changed = at(111.0, "2", early.sightings)
    assert (changed.new, changed.again_at) == ((), 121.0)
    assert len(at(121.0, "2", changed.sightings).new) == 1


def test_a_replay_makes_what_was_committed_new_again_and_changes_nothing_of_it(store):
    claims = SourceClaims(store, pipeline="p", source="s")
    for number in (1, 2):
        claims.claim(claims.read(), dag_run=f"r{number}", objects=(found(f"o{number}"),), now=1.0)
    with pytest.raises(ClaimInUseError, match="claim 1 is open, or was released"):
        claims.replay(claims.read(), (1,), reason="by me", now=2.0)
    claims.end(1, outcome="committed", reason="", now=2.0)
    stale = claims.read()
    assert claims.replay(claims.read(), (1,), reason="by me", now=3.0) == 1
    assert claims.replay(stale, (1,), reason="by another", now=3.0) is None
    ledger = claims.read()
    assert (ledger.is_handed_out(found("o1")), ledger.is_handed_out(found("o2"))) == (False, True)
    assert claims.of_run(ledger, "r1")[1].outcome == "committed"
    assert ledger.returned == [found("o1")]
    claims.claim(ledger, dag_run="r4", objects=(found("o1"),), now=4.0)
    with pytest.raises(ClaimInUseError, match="belong to a run that has not ended"):
        claims.replay(claims.read(), (1,), reason="by me", now=5.0)
    assert [claim.number for claim in claims.read().open()] == [2, 4]


def test_a_replay_of_a_partition_leaves_the_others_of_a_claim_as_they_are(store):
    claims = SourceClaims(store, pipeline="p", source="s")
    one, other = in_part("a", "2013-01"), in_part("b", "2013-02")
    claims.reset(claims.read(), given=(one, other), reason="by me", now=1.0)
    assert claims.replay(claims.read(), (1,), partition="2013-01", reason="by me", now=2.0) == 1
    ledger = claims.read()
    assert (ledger.is_handed_out(one), ledger.is_handed_out(other)) == (False, True)


def test_a_claim_that_is_missing_is_told(store):
    claims = SourceClaims(store, pipeline="p", source="s")
    for number in (1, 2):
        claims.claim(claims.read(), dag_run=f"r{number}", objects=(found(f"o{number}"),), now=1.0)
    fs, path = filesystem(f"{claims.uri}/log/0000000001.claim.json")
    fs.rm_file(path)
    with pytest.raises(ArtifactCorruptError, match="0000000001.claim.json was removed"):
        claims.read()


def test_a_reset_makes_all_new_or_none_of_what_is_there(store):
    claims = SourceClaims(store, pipeline="p", source="s")
    claims.claim(claims.read(), dag_run="r1", objects=(found("a"),), now=1.0)
    with pytest.raises(ClaimInUseError, match="claim 1 of run r1 has not ended"):
        claims.reset(claims.read(), reason="by me", now=2.0)
    claims.end(1, outcome="committed", reason="", now=2.0)
    claims.reset(claims.read(), reason="by me", now=3.0)
    assert not claims.read().is_handed_out(found("a"))
    claims.reset(claims.read(), given=(found("a"), found("b")), reason="by me", now=3.0)
    ledger = claims.read()
    assert (ledger.handed_out, ledger.is_handed_out(found("a")), ledger.open()) == (2, True, [])


def test_a_snapshot_forgets_what_is_before_the_lookback(store):
    claims = SourceClaims(store, pipeline="p", source="s")

    def row(key, changed):
        return SourceObject(f"row://db/{key}", f"number whole {changed}", 0, float(changed))

    for number, changed in enumerate((10, 50, 100), start=1):
        claims.claim(claims.read(), dag_run=f"r{number}", objects=(row(number, changed),), now=1.0)
    for number, outcome in ((1, "committed"), (2, "released"), (3, "committed")):
        claims.end(number, outcome=outcome, reason="", now=2.0)
    claims.keep_snapshot(claims.read(), lookback=20.0)
    ledger = claims.read()
    assert (ledger.snapshot, ledger.floor, ledger.top, ledger.handed_out) == (3, 80.0, row(3, 100), 1)
    # Older than the floor is not new, unless it was given back.
    assert [ledger.is_handed_out(row(*entry)) for entry in ((1, 10), (2, 50), (3, 100), (4, 90))] == [
        *(True, False, True, False)
    ]
    assert ledger.returned == [row(2, 50)]
    assert ledger.begin(20.0) == 50.0
    claims.claim(ledger, dag_run="r4", objects=tuple(ledger.returned), now=3.0)
    claims.end(4, outcome="committed", reason="", now=4.0)
    ledger = claims.read()
    assert (ledger.returned, ledger.is_handed_out(row(2, 50))) == ([], True)


def test_what_was_read_before_is_not_read_again(store):
    claims = SourceClaims(store, pipeline="p", source="s")
    claims.claim(claims.read(), dag_run="r1", objects=(found("a"),), now=1.0)
    known = claims.read()
    assert claims.read(known) is known
    write_object(f"{claims.uri}/log/0000000001.claim.json", b"damaged meanwhile")
    claims.claim(known, dag_run="r2", objects=(found("b"),), now=1.0)
    claims.end(1, outcome="released", reason="", now=2.0)
    ledger = claims.read(known)
    assert (ledger.last, ledger.is_handed_out(found("a")), ledger.is_handed_out(found("b"))) == (2, False, True)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}\n", b'{"kind": "", "top": null, "newest": null, "left": null, "floor": null, "returned": []}\nshort'],
)
def test_a_damaged_snapshot_is_told(content):
    with pytest.raises(ArtifactCorruptError, match="snapshot 7"):
        Ledger.of_snapshot(7, content)
