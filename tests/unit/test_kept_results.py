"""Kept results on a folder, in memory and on a real S3 endpoint."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from airflow_ml_provider.artifacts.errors import ArtifactCorruptError, ArtifactNotCommittedError
from airflow_ml_provider.artifacts.ledger import Claim
from airflow_ml_provider.artifacts.objects import filesystem, write_object
from airflow_ml_provider.artifacts.results import KeptResult, ResultStore, UnusableResultError
from airflow_ml_provider.artifacts.source_files import fingerprint
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.cli.inventory.cache import print_entries, print_why, prune
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.result import StageResult

KEY = "sha256:" + "0" * 64


@pytest.fixture(params=["file", "memory", "s3"])
def store(request, tmp_path):
    if request.param == "file":
        return f"file://{tmp_path}/store"
    return request.getfixturevalue(f"{request.param}_store")


def kept(**changes):
    result = StageResult(status="success", attempt="1.1", metrics={"loss": 0.5})
    base = KeptResult(
        key=KEY,
        components={"params.a": 1},
        result=result,
        pipeline="p",
        stage="train",
        dag_run="r1",
        kept_at=12.5,
        reason="no result of it was kept yet",
    )
    return replace(base, **changes)


def test_what_is_kept_is_found(store):
    results = ResultStore(store)
    assert results.find(KEY) is None
    assert results.last(pipeline="p", stage="train") is None
    assert list(results.all()) == []
    results.keep(kept())
    assert results.find(KEY) == kept() == results.last(pipeline="p", stage="train")
    results.deliver(kept(), pipeline="q", stage="fit", reason="reused from run r1")
    assert results.last(pipeline="q", stage="fit") == kept(reason="reused from run r1")
    ((uri, found),) = results.all()
    assert found == kept()
    results.forget(uri)
    results.forget(uri)
    assert results.find(KEY) is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text[: len(text) // 2], "not valid JSON"),
        (lambda text: text.replace('"protocol":1', '"protocol":99'), "protocol 99"),
        (lambda text: text.replace('"dag_run"', '"run_of"'), "unknown field"),
        (lambda text: "[]", "expected an object"),
    ],
)
def test_a_damaged_result_and_one_of_another_protocol_are_reported(store, change, told):
    results = ResultStore(store)
    results.keep(kept())
    ((uri, _),) = results.all()
    fs, path = filesystem(uri)
    write_object(uri, change(fs.cat_file(path).decode()).encode())
    with pytest.raises(UnusableResultError, match=told):
        results.find(KEY)
    ((_, found),) = results.all()
    assert isinstance(found, UnusableResultError)
    # The stage runs again, and what it keeps takes its place.
    results.keep(kept(dag_run="r2"))
    assert results.find(KEY).dag_run == "r2"


def test_a_reader_sees_one_whole_result_however_many_write(store):
    results = ResultStore(store)
    results.keep(kept())
    with ThreadPoolExecutor(8) as pool:
        written = [pool.submit(results.keep, kept(dag_run=f"r{number}" * 200)) for number in range(40)]
        seen = [results.find(KEY).dag_run for _ in range(40)]
    assert all(future.exception() is None for future in written)
    assert set(seen) <= {"r1", *(f"r{number}" * 200 for number in range(40))}


def test_an_artifact_is_whole_or_reported_what_is_wrong(store, tmp_path):
    made = tmp_path / "made"
    (made / "sub").mkdir(parents=True)
    (made / "a.csv").write_text("1,2")
    (made / "sub" / "b.csv").write_text("3" * 1000)
    artifacts = ArtifactStore()
    ref = artifacts.put(made, directory=f"{store}/attempt", output="train", artifact_type="dataset")
    single = artifacts.put(made / "a.csv", directory=f"{store}/attempt", output="one", artifact_type="file")
    artifacts.require_whole(ref)
    artifacts.require_whole(single)
    with pytest.raises(ArtifactCorruptError, match="its reference says"):
        artifacts.require_whole(replace(ref, digest=single.digest))
    write_object(f"{ref.uri}/a.csv", b"1,2,3")
    with pytest.raises(ArtifactCorruptError, match=r"a.csv has 5 bytes, 3 bytes were committed"):
        artifacts.require_whole(ref)
    fs, path = filesystem(f"{single.uri}")
    fs.rm_file(path)
    with pytest.raises(ArtifactCorruptError, match=r"one has nothing, 3 bytes were committed"):
        artifacts.require_whole(single)
    artifacts.remove(ref.uri)
    with pytest.raises(ArtifactNotCommittedError):
        artifacts.require_whole(ref)


def test_a_fingerprint_is_of_names_and_versions(store):
    pattern = f"{store}/raw/*.csv"
    empty = fingerprint(pattern)
    write_object(f"{store}/raw/a.csv", b"1")
    one = fingerprint(pattern)
    assert (empty, bool(one)) == ("", True)
    assert fingerprint(pattern) == one
    write_object(f"{store}/raw/b.txt", b"not of the pattern")
    assert fingerprint(pattern) == one
    write_object(f"{store}/raw/a.csv", b"22")
    assert fingerprint(pattern) != one


def test_a_local_file_that_was_replaced_is_another_version(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("1")
    before, stat = fingerprint(str(file)), file.stat()
    other = tmp_path / "b.csv"
    other.write_text("2")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(file)
    # Size and time are the same, the inode tells.
    assert fingerprint(str(file)) != before


def test_one_odd_entry_does_not_end_the_listing(tmp_path, capsys):
    store = f"file://{tmp_path}/store"
    results = ResultStore(store)
    away = ArtifactRef(uri="gopher://x/y", digest=KEY, type="model", size=1)
    other = KEY.replace("0", "1")
    results.keep(kept(result=replace(kept().result, outputs={"model": away}), dag_run="r\x1b[2J\nforged"))
    results.keep(kept(key=other, dag_run="r2"))
    print_entries(store, as_json=False)
    said = capsys.readouterr().out
    assert len(said.splitlines()) == 2
    assert "run r forged  output 'model': gopher://x/_commits/y.json is not a URI that fsspec can open" in said
    assert "run r2  0 bytes" in said
    prune(store, older_than=None, dry_run=False)
    assert "nothing to remove" in capsys.readouterr().out, "nothing is known to be wrong with it"
    print_why(store, pipeline="p", stages=["train"], as_json=False)
    assert "params.a: 1" in capsys.readouterr().out


@pytest.mark.parametrize("moment", [1e20, -1.0])
def test_a_time_that_is_none_is_damage(moment):
    with pytest.raises(ProtocolError, match="kept_at is .*, which is not a time"):
        kept(kept_at=moment)
    with pytest.raises(ProtocolError, match="claimed_at is .*, which is not a time"):
        Claim(1, "r", moment, ())
