"""The store's contract on a folder, in memory and on a real S3 endpoint."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_ml_provider.artifacts import objects as store_objects
from airflow_ml_provider.artifacts import store as store_module
from airflow_ml_provider.artifacts.errors import (
    AlreadyExistsError,
    ArtifactCorruptError,
    ArtifactNotCommittedError,
    InvalidArtifactError,
    StoreAwayError,
    StoreUnavailableError,
)
from airflow_ml_provider.artifacts.layout import commit_record_uri
from airflow_ml_provider.artifacts.objects import create_object, filesystem, read_object, write_object
from airflow_ml_provider.artifacts.store import ArtifactStore


@pytest.fixture(params=["file", "memory", "s3"])
def directory(request, tmp_path):
    """An attempt's directory in a fresh place of each kind of store."""
    if request.param == "file":
        return f"file://{tmp_path}/store/attempt"
    if request.param == "memory":
        return f"{request.getfixturevalue('memory_store')}/attempt"
    return f"{request.getfixturevalue('s3_store')}/attempt"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "made"
    (made / "sub").mkdir(parents=True)
    (made / "a.csv").write_text("1,2")
    (made / "sub" / "b.csv").write_text("3" * 1000)
    return made


def put(path, directory, output="train"):
    return ArtifactStore().put(path, directory=directory, output=output, artifact_type="dataset")


def test_what_is_put_is_fetched(directory, folder, tmp_path):
    ref = put(folder, directory)
    assert (ref.uri, ref.type, ref.size) == (f"{directory}/train", "dataset", 1003)
    assert ArtifactStore().find(ref.uri) == ref
    ArtifactStore().fetch(ref, tmp_path / "got")
    assert (tmp_path / "got" / "sub" / "b.csv").read_text() == "3" * 1000
    single = put(folder / "a.csv", directory, "single")
    ArtifactStore().fetch(single, tmp_path / "single")
    assert (tmp_path / "single").read_text() == "1,2"


def test_an_output_is_committed_once_with_one_content(directory, folder):
    put(folder, directory)
    put(folder, directory)
    (folder / "a.csv").write_text("other")
    with pytest.raises(AlreadyExistsError):
        put(folder, directory)


def test_one_of_many_creates_an_object(directory):
    def attempt(number):
        try:
            create_object(f"{directory}/claim", str(number).encode())
        except AlreadyExistsError:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(attempt, range(16)) if number is not None]
    assert len(winners) == 1
    assert read_object(f"{directory}/claim") == str(winners[0]).encode()


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the writer runs."""


def test_a_writer_killed_at_any_step_fools_no_reader(directory, folder, tmp_path, monkeypatch):
    """Each step is an upload of a file or the creation of the commit record."""
    steps = []

    def step(real, stop_at):
        def wrapped(*arguments):
            if len(steps) == stop_at:
                raise Killed
            steps.append(arguments)
            return real(*arguments)

        return wrapped

    for stop_at in range(3):
        steps.clear()
        attempt = f"{directory}-{stop_at}"
        with monkeypatch.context() as patch:
            patch.setattr(store_module, "upload_file", step(store_objects.upload_file, stop_at))
            patch.setattr(store_module, "create_or_match", step(store_objects.create_or_match, stop_at))
            with pytest.raises(Killed):
                put(folder, attempt)
        with pytest.raises(ArtifactNotCommittedError):
            ArtifactStore().find(f"{attempt}/train")
    assert len(steps) == 2
    put(folder, f"{directory}-3")
    ArtifactStore().fetch(ArtifactStore().find(f"{directory}-3/train"), tmp_path / "got")


def test_a_commit_record_cut_short_is_damage(directory, folder):
    ref = put(folder, directory)
    record = commit_record_uri(ref.uri)
    write_object(record, read_object(record)[:-20])
    with pytest.raises(ArtifactCorruptError, match="is damaged"):
        ArtifactStore().find(ref.uri)


def test_changed_or_removed_content_is_damage_and_leaves_nothing(directory, folder, tmp_path):
    ref = put(folder, directory)
    write_object(f"{ref.uri}/a.csv", b"1,3")
    with pytest.raises(ArtifactCorruptError, match="a.csv was changed after its commit"):
        ArtifactStore().fetch(ref, tmp_path / "got")
    fs, path = filesystem(f"{ref.uri}/a.csv")
    fs.rm(path)
    with pytest.raises(ArtifactCorruptError, match="a.csv was removed after its commit"):
        ArtifactStore().fetch(ref, tmp_path / "got")
    assert not list(tmp_path.glob("*got*"))


def test_a_hostile_commit_record_cannot_leave_its_folder(directory, folder, tmp_path):
    ref = put(folder, directory)
    record = commit_record_uri(ref.uri)
    write_object(record, read_object(record).replace(b"sub/b.csv", b"../b.csv"))
    with pytest.raises(ArtifactCorruptError, match="not allowed in an artifact"):
        ArtifactStore().find(ref.uri)


def test_content_is_stored_once_under_its_digest(directory):
    store = ArtifactStore()
    ref = store.put_content(directory, b"abc", suffix=".zip")
    assert store.put_content(directory, b"abc", suffix=".zip") == ref
    assert store.fetch_content(ref) == b"abc"
    write_object(ref.uri, b"abd")
    with pytest.raises(ArtifactCorruptError):
        store.fetch_content(ref)


def test_no_more_is_read_than_may_be(directory):
    uri = f"{directory}/record"
    write_object(uri, b"12345")
    assert read_object(uri, limit=5) == b"12345"
    with pytest.raises(InvalidArtifactError, match="record has more than the 4 bytes that may be read of it"):
        read_object(uri, limit=4)
    write_object(uri, b"")
    assert read_object(uri) == b""
    ref = ArtifactStore().put_content(directory, b"abc", suffix=".zip")
    write_object(ref.uri, b"abcd" * 1000)
    with pytest.raises(ArtifactCorruptError, match="does not have the 3 bytes of its reference"):
        ArtifactStore().fetch_content(ref)


def test_nothing_is_no_artifact(directory, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        with pytest.raises(InvalidArtifactError):
            put(tmp_path / name, directory)


def test_a_store_out_of_reach_says_what_was_tried(monkeypatch, folder):
    with pytest.raises(StoreUnavailableError, match="gopher://x/y/train is not a URI that fsspec can open"):
        put(folder, "gopher://x/y")
    with pytest.raises(StoreUnavailableError, match=r"could not write file:///proc/nope"):
        put(folder, "file:///proc/nope")


def test_a_store_that_does_not_answer_is_reported_from_one_that_refuses(s3_store, monkeypatch):
    with pytest.raises(StoreUnavailableError) as refused:
        create_object("s3://there-is-no-such-bucket/x", b"x")
    assert not isinstance(refused.value, StoreAwayError)
    with pytest.raises(StoreUnavailableError, match="/dev/null is not a folder") as odd:
        create_object("file:///dev/null/x", b"x")
    assert not isinstance(odd.value, StoreAwayError)

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    try:
        with pytest.raises(StoreAwayError, match="could not read s3://bucket/x"):
            read_object("s3://bucket/x")
        with pytest.raises(StoreAwayError, match="could not create s3://bucket/x"):
            create_object("s3://bucket/x", b"x")
    finally:
        s3fs.S3FileSystem.clear_instance_cache()


def test_files_of_a_store_are_as_readable_as_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        create_object(f"file://{tmp_path}/a", b"x")
        write_object(f"file://{tmp_path}/b", b"x")
    finally:
        os.umask(before)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in "ab"} == {0o644}


def test_many_writers_of_one_object_leave_the_whole_of_one(tmp_path):
    uri = f"file://{tmp_path}/folder/latest.json"
    contents = [bytes([65 + writer]) * 50_000 for writer in range(8)]
    ends = threading.Barrier(len(contents))

    def write(content):
        ends.wait()
        for _ in range(40):
            write_object(uri, content)
            assert read_object(uri) in contents

    with ThreadPoolExecutor(len(contents)) as writers:
        list(writers.map(write, contents))
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["latest.json"]


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path):
    write_object(f"file://{tmp_path}/latest.json", b"0")
    (tmp_path / ".latest.json.tmp").write_bytes(b"of one that was killed")
    write_object(f"file://{tmp_path}/latest.json", b"1")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"latest.json": b"1"}
