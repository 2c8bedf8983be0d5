"""Checkpoints: what a stage keeps while it works, and what the next attempt finds."""

import ctypes
import signal
from pathlib import Path

import pytest

from airflow_ml_provider.artifacts.checkpoints import checkpoints_uri, committed_checkpoints
from airflow_ml_provider.artifacts.objects import filesystem
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.operators import ContainerOperator, IngestOperator
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.request import Checkpoints
from tests.live.attempts import Attempts

CODE = """
import os, time
from pathlib import Path

def counts(data, model, checkpoints: Path, *, until: int):
    step = checkpoints / "step"
    begun = int(step.read_text()) if step.exists() else 0
    print("begins at", begun, flush=True)
    for number in range(begun, until):
        temporary = checkpoints / ".step"
        temporary.write_text(str(number + 1))
        temporary.replace(step)
        print("step", number + 1, flush=True)
        time.sleep(0.05)
    model.write_text(step.read_text())
    return {"begun": begun}

def fails(data, model, checkpoints: Path):
    (checkpoints / "state").write_text("half")
    raise ValueError("no")

def rotates(data, model, checkpoints: Path):
    end = time.monotonic() + 2
    while time.monotonic() < end:
        (checkpoints / ".new").write_text(str(end))
        (checkpoints / ".new").replace(checkpoints / "state")
        (checkpoints / "state").unlink()
    (checkpoints / "state").write_text("calm")
    print("calm", flush=True)
    time.sleep(600)

def fails_large(data, model, checkpoints: Path):
    for number in range(200):
        (checkpoints / str(number)).write_bytes(os.urandom(100_000))
    print("fails", flush=True)
    raise ValueError("no")

def asks_for_none(data, model):
    model.write_text("x")
"""


@pytest.fixture
def attempts(tmp_path):
    return Attempts(tmp_path)


def newest(request):
    found = committed_checkpoints(request.attempt_uri)
    return found[0] if found else None


def counting(attempts, code, *, until, **checkpoints):
    """A request for the function that counts to a number."""
    return attempts.request(
        run="mycode.stages:counts", code=code, params={"until": until}, checkpoints=Checkpoints(**checkpoints)
    )


def lines_until(process, wanted):
    lines = []
    while wanted not in lines:
        line = process.stdout.readline()
        assert line, lines
        lines.append(line.strip())
    return lines


def test_what_a_process_that_receives_sigterm_had_reached_is_where_the_next_one_begins(attempts):
    code = attempts.code(CODE)
    request = counting(attempts, code, until=10_000, every=3600)
    process = attempts.start(request)
    lines_until(process, "step 5")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    process.communicate()
    assert attempts.result(request) is None

    found = newest(request)
    again = counting(attempts, code, until=30, every=3600, resume=(found,))
    process = attempts.start(again)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert f"Resumed from checkpoint {found.uri}" in printed
    assert 5 <= attempts.result(again).metrics["begun"] < 30


def test_a_process_that_is_killed_leaves_what_it_saved_last(attempts):
    request = counting(attempts, attempts.code(CODE), until=10_000, every=0.1)
    process = attempts.start(request)
    lines_until(process, "step 40")
    process.kill()
    process.communicate()
    found = newest(request)
    assert found is not None
    fs, path = filesystem(checkpoints_uri(request.attempt_uri))
    kept = [name.rpartition("/")[2] for name in fs.ls(path, detail=False)]
    assert len([name for name in kept if name.startswith("c")]) <= 3


def test_nothing_is_left_of_the_checkpoints_of_work_that_is_done(attempts):
    request = counting(attempts, attempts.code(CODE), until=20, every=0.1)
    process = attempts.start(request)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert newest(request) is None


def test_code_that_fails_leaves_its_checkpoint(attempts):
    request = attempts.request(run="mycode.stages:fails", code=attempts.code(CODE), checkpoints=Checkpoints(every=3600))
    process = attempts.start(request)
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert newest(request) is not None


def test_a_checkpoint_that_is_damaged_is_not_used(attempts):
    code = attempts.code(CODE)
    request = attempts.request(run="mycode.stages:fails", code=code, checkpoints=Checkpoints(every=3600))
    attempts.start(request).communicate(timeout=60)
    found = newest(request)
    fs, path = filesystem(f"{found.uri}/state")
    fs.pipe_file(path, b"other")
    again = counting(attempts, code, until=1, every=3600, resume=(found,))
    printed, errors = attempts.start(again).communicate(timeout=60)
    assert f"Checkpoint {found.uri} cannot be used" in printed
    assert "begins at 0" in printed, errors


def test_when_the_last_checkpoint_is_damaged_the_one_before_it_is_used(attempts):
    code = attempts.code(CODE)
    request = counting(attempts, code, until=10_000, every=0.1)
    process = attempts.start(request)
    lines_until(process, "step 40")
    process.kill()
    process.communicate()
    last, before, *_ = committed_checkpoints(request.attempt_uri)
    fs, path = filesystem(f"{last.uri}/step")
    fs.pipe_file(path, b"torn")
    again = counting(attempts, code, until=60, every=3600, resume=(last, before))
    printed, errors = attempts.start(again).communicate(timeout=60)
    assert f"Resumed from checkpoint {before.uri}" in printed, errors
    assert committed_checkpoints(request.attempt_uri) == ()


def test_a_folder_whose_files_come_and_go_is_kept_all_the_same(attempts):
    request = attempts.request(
        run="mycode.stages:rotates", code=attempts.code(CODE), checkpoints=Checkpoints(every=0.01)
    )
    process = attempts.start(request)
    lines_until(process, "calm")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    process.communicate()
    assert newest(request) is not None


def test_a_signal_during_the_last_save_of_code_that_failed_ends_the_process(attempts):
    request = attempts.request(
        run="mycode.stages:fails_large", code=attempts.code(CODE), checkpoints=Checkpoints(every=3600)
    )
    process = attempts.start(request)
    lines_until(process, "fails")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) in (1, 128 + signal.SIGTERM)
    process.communicate()


def test_a_command_gets_the_folder_and_receives_sigterm(attempts):
    script = 'echo 7 > "$AIRFLOW_ML_CHECKPOINTS/step"; echo asleep; exec sleep 600'
    request = attempts.request(command=("sh", "-c", script), checkpoints=Checkpoints(every=3600))
    process = attempts.start(request)
    lines_until(process, "asleep")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    process.communicate()
    assert attempts.result(request) is None
    assert newest(request) is not None


def test_a_signal_that_another_thread_gets_ends_a_command_too(attempts):
    """As one that comes just before the wait for the command: the system call is not interrupted."""
    request = attempts.request(command=("sh", "-c", "echo asleep; exec sleep 600"), checkpoints=Checkpoints(every=3600))
    process = attempts.start(request)
    lines_until(process, "asleep")
    threads = [int(entry.name) for entry in Path(f"/proc/{process.pid}/task").iterdir()]
    (other,) = (thread for thread in threads if thread != process.pid)
    assert ctypes.CDLL(None).tgkill(process.pid, other, signal.SIGTERM) == 0
    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    process.communicate()


def test_a_function_without_that_argument_runs_as_ever(attempts):
    request = attempts.request(
        run="mycode.stages:asks_for_none", code=attempts.code(CODE), checkpoints=Checkpoints(every=3600)
    )
    process = attempts.start(request)
    assert process.communicate(timeout=60)
    assert process.returncode == 0


def test_checkpoints_do_not_change_what_the_work_is(attempts):
    request = attempts.request(run="m:f", checkpoints=Checkpoints(every=60))
    assert request.work_digest() == attempts.request(run="m:f").work_digest()
    with pytest.raises(ProtocolError, match="'checkpoints' is the folder of its checkpoints"):
        attempts.request(run="m:f", params={"checkpoints": 1}, checkpoints=Checkpoints(every=60))


@pytest.mark.parametrize(
    "make",
    [
        lambda every: ContainerOperator(task_id="a", command=["x"], checkpoints=every),
        lambda every: ContainerOperator(task_id="a", run="m:f", io="staged", checkpoints=every),
        lambda every: IngestOperator(task_id="a", uri="*.csv", checkpoints=every),
    ],
)
def test_checkpoints_where_nobody_could_keep_them_are_refused(make):
    from datetime import timedelta

    with pytest.raises(StageConfigurationError, match="checkpoints (are for run and command|need io: direct)"):
        make(timedelta(minutes=1))


def test_an_attempt_that_kept_nothing_has_no_checkpoint(tmp_path, s3_store):
    assert committed_checkpoints(f"file://{tmp_path}/attempt") == ()
    assert committed_checkpoints(f"{s3_store}/attempt") == ()
    assert list(tmp_path.iterdir()) == []
