import os

import pytest

from airflow_ml_provider.artifacts.code_packing import pack_code
from airflow_ml_provider.artifacts.code_unpacking import unpack_code
from airflow_ml_provider.artifacts.digest import digest_of, scan
from airflow_ml_provider.artifacts.errors import InvalidArtifactError
from airflow_ml_provider.artifacts.layout import attempt_uri, stage_uri, store_segment
from airflow_ml_provider.artifacts.store import ArtifactStore


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


FILES = {"b.txt": "two", "a.txt": "one", "sub/c.txt": "three"}


def test_a_folder_has_one_digest_whatever_its_order_and_times(tmp_path):
    first = write(tmp_path / "x", FILES)
    second = write(tmp_path / "y", dict(reversed(FILES.items())))
    os.utime(second / "a.txt", (0, 0))
    (second / "a.txt").chmod(0o600)
    assert digest_of(scan(first)) == digest_of(scan(second))


@pytest.mark.parametrize(
    "other",
    [
        {**FILES, "a.txt": "One"},
        {**FILES, "d.txt": ""},
        {"a.txt": "one", "b.txt": "two", "c.txt": "three"},
        {"a.txt": "two", "b.txt": "one", "sub/c.txt": "three"},
    ],
)
def test_other_content_or_names_give_another_digest(tmp_path, other):
    assert digest_of(scan(write(tmp_path / "x", FILES))) != digest_of(scan(write(tmp_path / "y", other)))


def test_a_file_and_a_folder_with_that_file_differ(tmp_path):
    folder = write(tmp_path / "x", {"a.txt": "one"})
    assert digest_of(scan(folder)) != digest_of(scan(folder / "a.txt"))


def test_links_and_odd_names_are_refused(tmp_path):
    folder = write(tmp_path / "x", FILES)
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(InvalidArtifactError, match="x/link: is a symbolic link that leaves"):
        scan(folder)
    (folder / "link").unlink()
    (folder / "new\nline").write_text("")
    with pytest.raises(InvalidArtifactError, match="not allowed in an artifact"):
        scan(folder)


def test_a_link_within_a_folder_counts_as_a_copy(tmp_path):
    linked = write(tmp_path / "x", {"epoch_9.ckpt": "9", "runs/a/log": "1"})
    (linked / "latest").symlink_to("epoch_9.ckpt")
    (linked / "runs" / "last").symlink_to("a")
    (linked / "chain").symlink_to("latest")
    copied = write(tmp_path / "y", {"epoch_9.ckpt": "9", "latest": "9", "chain": "9", "runs/a/log": "1"})
    write(copied, {"runs/last/log": "1"})
    assert scan(linked) == scan(copied)
    store = ArtifactStore()
    ref = store.put(linked, directory=f"file://{tmp_path}/store", output="model", artifact_type="model")
    store.fetch(ref, tmp_path / "fetched")
    assert scan(tmp_path / "fetched") == scan(copied)
    assert not any(path.is_symlink() for path in (tmp_path / "fetched").rglob("*"))


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("/etc/passwd", "x/link: is a symbolic link that leaves the folder"),
        ("../outside", "x/link: is a symbolic link that leaves the folder"),
        ("nowhere", "x/link: is a symbolic link to nothing"),
        ("link", "x/link: is a symbolic link to nothing"),
        (".", "x/link: is a symbolic link to a folder that holds it"),
        ("../x", "x/link: is a symbolic link to a folder that holds it"),
    ],
)
def test_other_links_are_refused(tmp_path, target, says):
    folder = write(tmp_path / "x", FILES)
    (tmp_path / "outside").write_text("secret")
    (folder / "link").symlink_to(target)
    with pytest.raises(InvalidArtifactError, match=says):
        scan(folder)


def test_folders_that_hold_each_other_by_links_are_refused_at_once(tmp_path):
    folder = write(tmp_path / "x", {"a/f": "1", "b/f": "2"})
    for here, there in (("a", "b"), ("b", "a")):
        for number in (1, 2):
            (folder / here / f"l{number}").symlink_to(f"../{there}")
    with pytest.raises(InvalidArtifactError, match="x/a/l1/l1: is a symbolic link to a folder that holds it"):
        scan(folder)


def test_code_that_is_a_link_is_packed_under_the_links_name(tmp_path):
    real = write(tmp_path / "v7", {"stages.py": "x = 1"})
    (tmp_path / "flights").symlink_to(real)
    unpack_code(pack_code(tmp_path / "flights"), tmp_path / "out")
    assert (tmp_path / "out" / "flights" / "stages.py").read_text() == "x = 1"
    (real / "gone.py").symlink_to("nowhere.py")
    with pytest.raises(InvalidArtifactError, match=r"gone.py is a link to nothing; remove it"):
        pack_code(tmp_path / "flights")


def test_code_packs_to_the_same_bytes_and_leaves_rubbish_out(tmp_path):
    first = write(tmp_path / "1/flights", {"stages.py": "x = 1", "sub/__init__.py": ""})
    second = write(tmp_path / "2/flights", {"sub/__init__.py": "", "stages.py": "x = 1"})
    write(second, {"__pycache__/stages.pyc": "rubbish", ".git/config": "x", "old.pyc": ""})
    os.utime(second / "stages.py", (0, 0))
    assert pack_code(first) == pack_code(second)
    unpack_code(pack_code(first), tmp_path / "out")
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.py"))
    assert found == ["flights/stages.py", "flights/sub/__init__.py"]


@pytest.mark.parametrize("files", [{}, {"link": None}])
def test_code_that_cannot_be_packed_says_why(tmp_path, files):
    folder = tmp_path / "code"
    folder.mkdir()
    if files:
        (folder / "link").symlink_to("/etc")
    with pytest.raises(InvalidArtifactError, match="code f"):
        pack_code(folder)


def test_paths_in_the_store_are_safe_and_distinct():
    run = "manual__2026-11-24T18:21:40+00:00"
    uri = stage_uri("s3://b/s", pipeline="p", dag_run=run, stage="group.train", map_index=3)
    assert uri.startswith("s3://b/s/p/manual__2026-11-24T18-21-40-00-00-")
    assert uri.endswith("/group.train/3")
    assert attempt_uri(uri, "1.1") == f"{uri}/1.1"
    hostile = ["..", ".", "../../etc", "a/b", "a:b", "a b", "_x", "", "x" * 500, "é"]
    segments = [store_segment(name) for name in hostile]
    assert len(set(segments)) == len(hostile)
    assert all("/" not in segment and segment.strip(".") and segment[0] not in "_." for segment in segments)
