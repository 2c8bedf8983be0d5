"""Claims, their ends, snapshots, replays and resets, on stores of all kinds."""

import time

import pytest

from airflow_ml_provider.artifacts import claims as claims_module
from airflow_ml_provider.artifacts.claims import SourceClaims
from airflow_ml_provider.artifacts.errors import ArtifactCorruptError, ClaimInUseError
from airflow_ml_provider.artifacts.ledger import Ledger
from airflow_ml_provider.artifacts.listing import entry_of, version_of
from airflow_ml_provider.artifacts.objects import filesystem, write_object
from airflow_ml_provider.artifacts.source_files import objects
from airflow_ml_provider.protocol.manifest import SourceObject, from_lines, to_lines
from airflow_ml_provider.testing.airflow_api import wait_until
from tests.looks import in_part


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(claims_module, "SNAPSHOT_EVERY", 2)


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


def test_a_damaged_claim_is_reported(store):
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


def test_a_claim_that_is_missing_is_reported(store):
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


@pytest.mark.parametrize("damage", ["0000000001.claim.json", "0000000003.claim.json", "0000000002.snapshot.bin"])
def test_what_cannot_be_read_is_passed_over_by_who_says_so(store, damage):
    claims = SourceClaims(store, pipeline="p", source="s")
    for number in (1, 2, 3):
        claims.claim(claims.read(), dag_run=f"r{number}", objects=(found(f"o{number}"),), now=1.0)
        claims.end(number, outcome="committed", reason="", now=2.0)
        if number == 2 and "snapshot" in damage:
            claims.keep_snapshot(claims.read())
    write_object(f"{claims.uri}/log/{damage}", b'{"claimed_at": 1e20')
    with pytest.raises(ArtifactCorruptError):
        claims.read()
    claims.pass_over()
    assert not claims.read().is_handed_out(found("o1"))
    assert claims.reset(claims.read(), given=(found("o2"),), reason="by me", now=3.0).number == 5
    assert claims.claim(claims.read(), dag_run="r6", objects=(found("o1"),), now=4.0).number == 6
    ledger = claims.read()
    assert [ledger.is_handed_out(found(name)) for name in ("o1", "o2", "o3")] == [True, True, False]


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
def test_a_damaged_snapshot_is_reported(content):
    with pytest.raises(ArtifactCorruptError, match="snapshot 7"):
        Ledger.of_snapshot(7, content)
