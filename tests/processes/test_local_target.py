"""Servers that are processes of this machine."""

import sys

import psutil

from airflow_ml_provider.decisions.serving.rollout import Revision
from airflow_ml_provider.serving.local_target import LocalTarget, ServerCommand


def test_a_server_lives_although_linux_shows_no_environment_while_it_is_loaded(tmp_path, monkeypatch):
    # Seen in 10 of 3,000 processes on a busy machine: a server that had just been started counted as ended.
    shown, asked = psutil.Process.environ, []

    def none_at_first(process):
        asked.append(process.pid)
        return {} if len(asked) < 3 else shown(process)

    monkeypatch.setattr(psutil.Process, "environ", none_at_first)
    sleeps = (sys.executable, "-c", "import time; time.sleep(60)")
    target = LocalTarget(tmp_path, port=0, command=lambda *_: ServerCommand(sleeps, {"A": "1"}, str(tmp_path)))
    revision = Revision(name="v1", model="line", version="1")
    target.start(revision, 1)
    try:
        assert target.replicas(revision) == 1
        assert target.faults(revision) == ""
    finally:
        for pid in set(asked):
            psutil.Process(pid).kill()
