"""The objects of a manifest into a dataset: exactly these versions, whatever their names are."""

import os
import subprocess
from contextlib import chdir
from pathlib import Path

import pytest

from airflow_ml_provider.artifacts import listing
from airflow_ml_provider.artifacts.listing import paths_of
from airflow_ml_provider.artifacts.source_files import fingerprint, objects
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.manifest import from_lines, to_lines
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.body import BodyContext
from airflow_ml_provider.runtime.errors import BadDataError
from airflow_ml_provider.runtime.stages.ingest import run


@pytest.fixture
def raw(tmp_path):
    made = tmp_path / "raw"
    made.mkdir()
    return made


@pytest.fixture
def copied(tmp_path):
    """Copy the objects of a pattern; returns the names in the dataset, the manifest that came out, and the metrics."""

    def body(pattern, listed):
        store, outputs = ArtifactStore(), {name: tmp_path / "out" / name for name in ("data", "manifest")}
        (tmp_path / "out" / "data").mkdir(parents=True)
        manifest = store.put_content(f"file://{tmp_path}/store", to_lines(listed), suffix=".jsonl")
        request = StageRequest(
            kind="source",
            pipeline="p",
            stage="sources.s",
            dag_run="r",
            attempt="1.1",
            attempt_uri=f"file://{tmp_path}/store/a",
            body="ingest",
            options={"uri": str(pattern), "manifest": manifest.to_plain(), "files": {}},
            outputs={"data": "dataset", "manifest": "file"},
        )
        outcome = run(BodyContext(request=request, inputs={}, outputs=outputs, store=store))
        names = sorted(str(file.relative_to(outputs["data"])) for file in outputs["data"].rglob("*") if file.is_file())
        return names, list(from_lines(outputs["manifest"].read_bytes())), dict(outcome.metrics)

    return body


def test_names_are_kept_whatever_they_are(raw, copied):
    for name in ("a.csv", "b::c.csv", "d e.csv", "\u00e9.csv"):
        (raw / name).write_text("1")
    (raw / "deep").mkdir()
    (raw / "deep" / "f.csv").write_text("22")
    listed = list(objects(f"{raw}/**/*.csv"))
    names, manifest, metrics = copied(f"{raw}/**/*.csv", listed)
    assert names == ["a.csv", "b::c.csv", "d e.csv", "deep/f.csv", "\u00e9.csv"]
    assert sorted(manifest) == sorted(listed)
    assert metrics == {"objects": 5.0, "bytes": 6.0}


def test_a_version_that_is_gone_is_left_out(raw, copied, capsys):
    for name in ("a.csv", "b.csv", "c.csv"):
        (raw / name).write_text("1")
    listed = list(objects(f"{raw}/*.csv"))
    (raw / "b.csv").write_text("22")
    (raw / "c.csv").unlink()
    names, manifest, _ = copied(f"{raw}/*.csv", listed)
    assert (names, len(manifest)) == (["a.csv"], 1)
    told = capsys.readouterr().out
    assert "b.csv is not the version any more" in told
    assert "c.csv is not the version any more" in told


def test_nothing_is_left(raw, copied):
    (raw / "a.csv").write_text("1")
    listed = list(objects(f"{raw}/*.csv"))
    (raw / "a.csv").unlink()
    with pytest.raises(BadDataError, match="is there any more"):
        copied(f"{raw}/*.csv", listed)


def test_a_link_stands_for_what_it_leads_to(raw, copied, tmp_path):
    for name, text in (("one", "1"), ("other", "22")):
        (raw / name).write_text(text)
    (raw / "a.csv").symlink_to(raw / "one")
    (raw / "b.csv").symlink_to(tmp_path / "nowhere")
    before, listed = fingerprint(f"{raw}/*.csv"), list(objects(f"{raw}/*.csv"))
    assert [entry.size for entry in listed] == [1]
    assert copied(f"{raw}/*.csv", listed)[0] == ["a.csv"]
    (raw / "a.csv").unlink()
    (raw / "a.csv").symlink_to("other")
    assert fingerprint(f"{raw}/*.csv") != before
    (now,) = objects(f"{raw}/*.csv")
    assert now.version != listed[0].version


def test_a_link_out_of_the_folder_is_left_out_and_named(raw, copied, tmp_path, caplog):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "f.csv").write_text("secret")
    (raw / "a.csv").write_text("1")
    (raw / "b.csv").symlink_to(tmp_path / "secrets" / "f.csv")
    (raw / "c").symlink_to(tmp_path / "secrets")
    for pattern in (f"{raw}/*.csv", f"{raw}/**/*.csv"):
        assert paths_of(pattern) == [f"{raw}/a.csv"]
        assert [entry.uri for entry in objects(pattern)] == [f"file://{raw}/a.csv"]
    for name in ("b.csv", "c"):
        assert f"'{raw}/{name}' is left out: it is a link that leads out of '{raw}'" in caplog.text
    listed = list(objects(f"{raw}/*.csv"))
    (raw / "a.csv").unlink()
    (raw / "a.csv").symlink_to(tmp_path / "secrets" / "f.csv")
    with pytest.raises(BadDataError, match=r"a.csv leads out of .*/raw/ by a link: copy what it leads to"):
        copied(f"{raw}/*.csv", listed)


def test_a_folder_that_is_a_link_is_seen_by_all_alike(raw, tmp_path, caplog):
    (raw / "kept" / "x").mkdir(parents=True)
    (raw / "kept" / "x" / "f.csv").write_text("2")
    (raw / "day1").mkdir()
    (raw / "day1" / "f.csv").write_text("1")
    (raw / "day2").symlink_to("kept/x")
    (raw / "day3").symlink_to(".")
    (raw / "day4").symlink_to("day4")
    (raw / "day5").symlink_to("nowhere")
    shallow = [f"{raw}/day1/f.csv", f"{raw}/day2/f.csv"]
    for pattern, wanted in (
        (f"{raw}/*/f.csv", shallow),
        (f"{raw}/**/f.csv", [*shallow, f"{raw}/kept/x/f.csv"]),
    ):
        caplog.clear()
        assert paths_of(pattern) == wanted
        assert sorted(entry.uri.removeprefix("file://") for entry in objects(pattern)) == wanted
        assert f"'{raw}/day4' is left out: Too many levels of symbolic links" in caplog.text
        assert f"'{raw}/day5' is left out: it is a link to nothing" in caplog.text
        assert f"'{raw}/day3' is left out: it is a link to a folder that holds it" in caplog.text
    before = fingerprint(f"{raw}/*/f.csv")
    (raw / "kept" / "x" / "f.csv").write_text("22222")
    assert fingerprint(f"{raw}/*/f.csv") != before


def test_folders_that_hold_each_other_by_links_are_listed_once_each(raw):
    for here, there in (("a", "b"), ("b", "a")):
        (raw / here).mkdir()
        (raw / here / "f.csv").write_text(here)
        for number in (1, 2):
            (raw / here / f"l{number}").symlink_to(f"../{there}")
    wanted = [f"{here}/f.csv" for here in ("a", "a/l1", "a/l2", "b", "b/l1", "b/l2")]
    assert paths_of(f"{raw}/**/f.csv") == [f"{raw}/{path}" for path in wanted]


def test_a_file_that_may_not_be_read_is_named_and_the_rest_goes_on(raw, caplog, monkeypatch):
    for name in ("a.csv", "b.csv"):
        (raw / name).write_text("1")
    # Tests run as root, who may read everything.
    monkeypatch.setattr(listing.os, "access", lambda path, _: not path.endswith("b.csv"))
    assert [entry.uri.rpartition("/")[2] for entry in objects(f"{raw}/*.csv")] == ["a.csv"]
    assert "b.csv' is left out: it may not be read" in caplog.text


def test_a_name_that_no_dataset_takes_is_reported_and_left_out(raw, caplog):
    (raw / "a.csv").write_text("1")
    (raw / "b\\c.csv").write_text("1")
    (raw / os.fsdecode(b"\xff.csv")).write_text("1")
    assert [entry.uri.rpartition("/")[2] for entry in objects(f"{raw}/*.csv")] == ["a.csv"]
    assert caplog.text.count("is left out of") == 2
    assert fingerprint(f"{raw}/*.csv").startswith("sha256:")


def test_no_file_has_no_fingerprint(raw):
    assert fingerprint(f"{raw}/*.csv") == ""
    assert fingerprint(f"{raw}/none/*.csv") == ""


def test_folders_may_lie_deeper_than_the_stack_of_python(tmp_path):
    deepest = tmp_path
    # By descriptors: a path of that length is slow to follow.
    with chdir(tmp_path):
        for _ in range(1500):
            Path("d").mkdir()
            os.chdir("d")
            deepest /= "d"
        Path("a.csv").write_text("1")
    try:
        assert [found.uri for found in objects(f"{tmp_path}/**/*.csv")] == [f"file://{deepest}/a.csv"]
    finally:
        # What pytest does is a recursion.
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)
