"""What goes wrong under a store: writers that are killed, a full disk, one that cannot be written, clocks set back."""

import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from airflow_ml_provider.artifacts import claims as claims_module
from airflow_ml_provider.artifacts.claims import SourceClaims
from airflow_ml_provider.artifacts.errors import ArtifactNotCommittedError, StoreUnavailableError
from airflow_ml_provider.artifacts.objects import filesystem
from airflow_ml_provider.artifacts.store import ArtifactStore
from tests.live.killed_writer import OBJECTS, claim, commit

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["file", "s3"])
def store(request, tmp_path):
    return f"file://{tmp_path}/store" if request.param == "file" else request.getfixturevalue("s3_store")


def writer(store, act, step):
    command = [sys.executable, "-m", "tests.live.killed_writer", store, act, str(step)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def left_behind(store):
    if not store.startswith("file://"):
        files, path = filesystem(store)
        files.invalidate_cache()
        return [name for name in files.find(path) if name.endswith(".tmp")]
    return list(Path(store.removeprefix("file://")).rglob(".*.tmp"))


def each_step(store, act):
    """Kill a writer before its first step, its second, ... until one comes to its end; yields how often."""
    for step in range(200):
        done = writer(f"{store}/{step}", act, step)
        if done.returncode == 0:
            assert step > 5, "the writer was never killed"
            return
        assert done.returncode == -signal.SIGKILL, done.stderr
        yield step, f"{store}/{step}"
    raise AssertionError("the writer never came to its end")


def test_a_commit_is_there_or_is_not(store, tmp_path):
    whole = 0
    for step, here in each_step(store, "commit"):
        try:
            ref = ArtifactStore().find(f"{here}/p/1.{step}/data")
        except ArtifactNotCommittedError:
            pass
        else:
            ArtifactStore().fetch(ref, tmp_path / f"got-{step}")
            whole += 1
        commit(here, "2.1")
        ArtifactStore().fetch(ArtifactStore().find(f"{here}/p/2.1/data"), tmp_path / f"again-{step}")
        assert left_behind(here) == []
    assert whole <= 1, "nothing comes after the commit"


def test_a_claim_is_there_or_is_not_and_nothing_is_given_twice(store, monkeypatch):
    monkeypatch.setattr(claims_module, "SNAPSHOT_EVERY", 1)
    for _, here in each_step(store, "claim"):
        claims = SourceClaims(here, pipeline="p", source="s")
        found = claims.of_run(claims.read(), "r1")
        assert found is None or found[0].objects == OBJECTS
        claim(here, "")
        ledger = claims.read()
        assert claims.of_run(ledger, "r1")[1].outcome == "committed"
        assert [ledger.is_handed_out(one) for one in OBJECTS] == [True, True]
        assert ledger.last == 1, "the second writer gave nothing a second time"
        assert left_behind(here) == []


@contextmanager
def small_disk(folder, *options):
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", ",".join(("size=256k", *options)), "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no right to mount a small disk: {done.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path):
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    large = tmp_path / "large"
    large.write_bytes(b"x" * 300_000)
    with small_disk(tmp_path / "disk") as disk:
        here = f"file://{disk}/store"
        commit(here, "1.1")
        claim(here, "")
        with pytest.raises(StoreUnavailableError, match=r"could not write .*/1.2/data: .*No space left on device"):
            ArtifactStore().put(large, directory=f"{here}/p/1.2", output="data", artifact_type="dataset")
        with pytest.raises(ArtifactNotCommittedError):
            ArtifactStore().find(f"{here}/p/1.2/data")
        filler = disk / "filler"
        fill(filler)
        claims = SourceClaims(here, pipeline="p", source="s")
        with pytest.raises(StoreUnavailableError, match="No space left on device"):
            claims.claim(claims.read(), dag_run="r2", objects=(OBJECTS[0],) * 500, now=3.0)
        assert (claims.read().last, left_behind(here)) == (1, [])
        filler.unlink()
        assert claims.claim(claims.read(), dag_run="r2", objects=OBJECTS[:1], now=3.0).number == 2
        commit(here, "1.3")


def test_a_store_that_cannot_be_written_says_so_and_is_read(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        here = f"file://{disk}/store"
        commit(here, "1.1")
        claim(here, "")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(StoreUnavailableError, match=r"could not write .*Read-only file system"):
            commit(here, "1.2")
        claims = SourceClaims(here, pipeline="p", source="s")
        with pytest.raises(StoreUnavailableError, match="Read-only file system"):
            claims.claim(claims.read(), dag_run="r2", objects=OBJECTS, now=3.0)
        ArtifactStore().fetch(ArtifactStore().find(f"{here}/p/1.1/data"), tmp_path / "got")
        assert [found.dag_run for found in claims.all(claims.read())] == ["r1"]


def test_claims_do_not_depend_on_the_clock(store):
    claims = SourceClaims(store, pipeline="p", source="s")
    assert claims.claim(claims.read(), dag_run="r1", objects=OBJECTS[:1], now=1_000_000.0).number == 1
    claims.end(1, outcome="committed", reason="", now=1_000_001.0)
    assert claims.claim(claims.read(), dag_run="r2", objects=OBJECTS[1:], now=10.0).number == 2
    claims.end(2, outcome="committed", reason="", now=9.0)
    claims.keep_snapshot(claims.read())
    ledger = claims.read()
    assert [ledger.is_handed_out(one) for one in OBJECTS] == [True, True]
    assert [claims.of_run(ledger, run)[1].outcome for run in ("r1", "r2")] == ["committed", "committed"]
