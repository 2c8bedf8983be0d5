"""Which objects are new, settled, and of which partition a run gets them."""

from pathlib import Path

import pytest

from airflow_ml_provider.decisions.data.settling import Marked, Unchanged
from airflow_ml_provider.protocol.manifest import SourceObject
from tests.looks import in_part, look


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
