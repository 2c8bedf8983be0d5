"""Archives of code and records of artifacts that were not written by us."""

import io
import zipfile

import pytest

from airflow_ml_provider.artifacts import code_packing
from airflow_ml_provider.artifacts.code_packing import pack_code, pack_files
from airflow_ml_provider.artifacts.code_unpacking import unpack_code
from airflow_ml_provider.artifacts.commit import CommitRecord
from airflow_ml_provider.artifacts.digest import FileEntry, require_apart
from airflow_ml_provider.artifacts.errors import ArtifactCorruptError, InvalidArtifactError
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.body import BodyContext
from airflow_ml_provider.runtime.errors import BadDataError
from airflow_ml_provider.runtime.stages import ingest


def archive(*names, content=b"x", compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name in names:
            made.writestr(name, content)
    return buffer.getvalue()


def cut(content, size):
    """Say of the last entry that it has another size, in its own header and in the directory."""
    changed = bytearray(content)
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = changed.rfind(mark) + offset
        changed[place : place + 4] = size.to_bytes(4, "little")
    return bytes(changed)


ODD = {
    "a bomb": (archive("a", content=b"0" * 70_000_000, compression=zipfile.ZIP_DEFLATED), "bytes unpacked"),
    "a small bomb": (archive("a", content=b"0" * 1_000_000, compression=zipfile.ZIP_DEFLATED), "is compressed"),
    "many files": (archive(*(f"f{n}" for n in range(20_001)), content=b""), "20,001 files, 20,000 are allowed"),
    "a file and a folder": (archive("pkg", "pkg/a.py"), "'pkg' is a file, and the folder of 'pkg/a.py'"),
    "a deep one": (archive("a/b", "a/b/c/d"), "'a/b' is a file"),
    "twice": (archive("a.py", "a.py"), "'a.py' is there twice"),
    "out": (archive("../a.py"), "is not allowed"),
    "absolute": (archive("/etc/passwd"), "is not allowed"),
    "a folder": (archive("pkg/"), "is not allowed"),
    "another size": (cut(archive("a", content=b"x" * 100), 5), "damaged"),
    "no archive": (b"PK\x03\x04", "damaged"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ODD)
def test_an_archive_that_is_none_of_ours_leaves_nothing_behind(tmp_path, name):
    content, message = ODD[name]
    with pytest.raises(ArtifactCorruptError, match=message):
        unpack_code(content, tmp_path / "out")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_ours_is_unpacked(tmp_path):
    unpack_code(pack_files({"pkg/a.py": (b"x = 1", False), "pkg/sub/b.py": (b"", True)}), tmp_path)
    assert (tmp_path / "pkg" / "a.py").read_text() == "x = 1"


def test_a_folder_of_too_many_files_is_not_packed(tmp_path, monkeypatch):
    monkeypatch.setattr(code_packing, "CODE_LIMIT_FILES", 2)
    for number in range(3):
        (tmp_path / f"{number}.py").touch()
    with pytest.raises(InvalidArtifactError, match="has 3 files, 2 are allowed"):
        pack_code(tmp_path)


def test_a_record_with_two_files_in_one_place_is_damaged():
    for paths in (["a", "a/b"], ["a", "a"]):
        record = CommitRecord.of([FileEntry(path, 0, "0" * 64) for path in paths], artifact_type="dataset")
        with pytest.raises(ArtifactCorruptError, match="'a' is "):
            CommitRecord.from_json(record.to_json(), uri="s3://x")


@pytest.mark.parametrize("paths", [["a/b", "a/c"], ["ab", "a/b"], [""], ["a", "b/a"]])
def test_names_that_are_apart(paths):
    require_apart(paths)


def test_an_object_below_the_name_of_another_is_bad_data(tmp_path, monkeypatch):
    """On S3 ``a`` and ``a/b`` are two objects; in a folder they cannot both be."""
    monkeypatch.setattr(ingest, "paths_of", lambda uri, fs: ["/in/a", "/in/a/b.csv"])
    request = StageRequest(
        kind="ingest",
        pipeline="p",
        stage="ingest",
        dag_run="r",
        attempt="1.1",
        attempt_uri=f"file://{tmp_path}/store/a",
        body="ingest",
        options={"uri": "/in/**", "files": {}},
        outputs={"data": "dataset"},
    )
    context = BodyContext(request=request, inputs={}, outputs={"data": tmp_path / "data"}, store=ArtifactStore())
    with pytest.raises(BadDataError, match="'a' is a file, and the folder of 'a/b.csv': rename one of them"):
        ingest.run(context)
