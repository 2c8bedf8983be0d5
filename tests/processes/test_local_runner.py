"""The local runner: what it hands to a stage, and what it leaves behind."""

import logging
import os
import signal
import threading
import time

import psutil
import pytest

from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runners.local_runner import LocalRunner, child_environment
from airflow_ml_provider.runners.stage_environment import stage_environment
from airflow_ml_provider.testing.airflow_api import wait_until


def request(tmp_path, *command):
    return StageRequest(
        kind="container",
        pipeline="p",
        stage="s",
        dag_run="r",
        attempt="1.1",
        attempt_uri=f"file://{tmp_path}/1.1",
        command=command,
    )


def require_end(pid_file):
    """Wait for the end of a process; one that is dead and not yet reaped by init has ended."""

    def ended():
        try:
            return psutil.Process(int(pid_file.read_text())).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    wait_until(ended, what="the end of the process", seconds=5, every=0.02)


@pytest.fixture
def runner(caplog):
    caplog.set_level(logging.INFO)
    return LocalRunner(logging.getLogger("stage"))


def test_lines_reach_the_log_and_the_result_comes_back(runner, tmp_path, caplog):
    code, result = runner.run(request(tmp_path, "sh", "-c", "echo one; echo two >&2"), secrets={})
    assert (code, result.status) == (0, "success")
    assert [record.getMessage() for record in caplog.records if record.name == "stage"] == ["one", "two"]


def test_a_stage_gets_what_is_listed_and_its_secrets(tmp_path):
    worker = {
        "KAGGLE_KEY": "k",
        "STRIPE_KEY": "s",
        "MLFLOW_TRACKING_PASSWORD": "of another",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "9",
        "PATH": "/bin",
        "AIRFLOW__CORE__FERNET_KEY": "key",
        "AIRFLOW_CONN_DB": "postgres://u:p@h",
        "_AIRFLOW__X": "y",
        "AWS_PROFILE": "ml",
    }
    environment = stage_environment(worker, passed=["KAGGLE_*"])
    found = child_environment(
        environment, request=request(tmp_path, "x"), secrets={"MLFLOW_TRACKING_TOKEN": "t"}, lifeline=3, isolated=True
    )
    assert (found["KAGGLE_KEY"], found["MLFLOW_HTTP_REQUEST_TIMEOUT"]) == ("k", "9")
    assert not {"STRIPE_KEY", "MLFLOW_TRACKING_PASSWORD"} & found.keys()
    assert set(stage_environment(worker, passed=["*"])) == {
        *("PATH", "AWS_PROFILE", "KAGGLE_KEY", "STRIPE_KEY", "MLFLOW_HTTP_REQUEST_TIMEOUT")
    }
    assert not [name for name in found if "FERNET" in name or "CONN" in name or name.startswith("_")]
    assert (found["AWS_PROFILE"], found["MLFLOW_TRACKING_TOKEN"]) == ("ml", "t")
    assert "MLFLOW" not in found["AIRFLOW_ML_REQUEST"]


def test_what_a_stage_leaves_in_the_background_ends_with_it(runner, tmp_path):
    started = time.monotonic()
    code, _ = runner.run(
        request(tmp_path, "sh", "-c", "sleep 600 & echo $! > pid; cp pid " + str(tmp_path)), secrets={}
    )
    assert code == 0
    assert time.monotonic() - started < 30
    require_end(tmp_path / "pid")


def test_stop_ends_a_stage_that_ignores_sigterm(runner, tmp_path):
    command = (
        f"trap '' TERM; echo $$ > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; sleep 600 & wait; sleep 600"
    )
    outcome = []
    thread = threading.Thread(
        target=lambda: outcome.append(runner.run(request(tmp_path, "sh", "-c", command), secrets={}))
    )
    thread.start()
    deadline = time.monotonic() + 30
    while not (tmp_path / "pid").exists():
        assert time.monotonic() < deadline, "the stage did not start"
        os.sched_yield()
    runner.stop()
    thread.join(timeout=20)
    assert outcome[0][0] != 0
    require_end(tmp_path / "pid")


@pytest.mark.parametrize("ignores", [False, True], ids=["ends when told", "ignores SIGTERM"])
def test_a_stop_from_a_signal_handler_waits_for_nothing(runner, tmp_path, ignores):
    # As Airflow calls on_kill: on the thread that waits for the process.
    pid_file = tmp_path / "pid"
    trap = "trap '' TERM; " if ignores else ""
    command = ("sh", "-c", f"{trap}echo $$ > {pid_file}; sleep 100 & wait; sleep 100")
    spent = []

    def handler(*_):
        began = time.monotonic()
        runner.stop()
        spent.append(time.monotonic() - began)

    before = signal.signal(signal.SIGUSR1, handler)
    threading.Thread(
        target=lambda: (
            wait_until(lambda: pid_file.exists() and pid_file.read_text(), what="the stage", seconds=20),
            os.kill(os.getpid(), signal.SIGUSR1),
        )
    ).start()
    try:
        began = time.monotonic()
        code, result = runner.run(request(tmp_path, *command), secrets={})
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert code != 0
    assert result is None or result.failure is not None
    assert spent[0] < 0.5
    assert time.monotonic() - began < 15
    require_end(pid_file)
