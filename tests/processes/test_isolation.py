"""A stage on the local runner does not see into its worker's other processes; a server on this machine neither.

The worker of the test is a process of its own: one without the rights by which root may look into all processes.
"""

import ctypes
import json
import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from airflow_ml_provider.operators import ServeOperator
from airflow_ml_provider.runtime.isolation import isolate
from airflow_ml_provider.serving.places import serving_place
from airflow_ml_provider.testing.airflow_api import wait_until

# CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_PERFMON of capabilities(7), and PR_CAPBSET_DROP of prctl(2).
ABOVE_ALL = (19, 21, 38)
DROP = 24

LOOK = """
import os, sys, tempfile
seen = {}
for kind in ("environ", "maps"):
    try:
        with open(f"/proc/{sys.argv[1]}/{kind}", "rb") as file:
            seen[kind] = file.read(1) and "read"
    except OSError as error:
        seen[kind] = error.strerror
for kind in ("cwd", "exe"):
    try:
        seen[kind] = os.readlink(f"/proc/{sys.argv[1]}/{kind}") and "read"
    except OSError as error:
        seen[kind] = error.strerror
own = open(f"/proc/{os.getpid()}/environ", "rb").read()
os.chdir(tempfile.mkdtemp(dir=sys.argv[2]))
os.makedirs("a/folder"), os.mkdir("b"), open("a/file", "w").close()
os.rename("a/file", "b/file"), os.link("b/file", "a/link"), os.rename("a/folder", "b/folder")
children = os.popen(f"cat /proc/{os.getpid()}/environ | wc -c").read()
print("SEEN", __import__("json").dumps({**seen, "own": len(own) > 0, "child looks at stage": int(children) > 0}))
"""

STAGE = """
import logging, os, sys
from airflow_ml_provider.configuration import ml_settings
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runners.local_runner import LocalRunner

folder, code = sys.argv[1:]
log = logging.getLogger("stage")
log.setLevel("INFO")
log.propagate = False
log.addHandler(logging.StreamHandler(sys.stdout))
request = StageRequest(
    kind="container", pipeline="p", stage="s", dag_run="r", attempt="1.1", attempt_uri=f"file://{folder}/1.1",
    command=(sys.executable, "-c", code, str(os.getpid()), folder),
)
LocalRunner.of(ml_settings(), log=log).run(request, secrets={})
"""

WRAPPED = """
import os, subprocess, sys
folder, code = sys.argv[1:]
isolated = os.environ["AIRFLOW__ML__ISOLATE_STAGES"] == "True"
first = [sys.executable, "-P", "-m", "airflow_ml_provider.runtime.isolation"] if isolated else []
command = [*first, sys.executable, "-c", code, str(os.getpid()), folder]
print(subprocess.run(command, capture_output=True, text=True).stdout)
"""


def drop_rights():
    """Let root be a user as any other, where /proc is concerned."""
    for capability in ABOVE_ALL:
        ctypes.CDLL(None).prctl(DROP, capability, 0, 0, 0)


def seen(worker, folder, *, isolated):
    run = subprocess.run(
        [sys.executable, "-c", worker, str(folder), LOOK],
        env={**os.environ, "AIRFLOW__ML__ISOLATE_STAGES": str(isolated)},
        preexec_fn=drop_rights,
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [line for line in run.stdout.splitlines() if "SEEN" in line]
    return json.loads(line.partition("SEEN")[2])


@pytest.fixture(scope="module", autouse=True)
def landlock():
    there = subprocess.run(
        [sys.executable, "-c", f"import sys; from {isolate.__module__} import isolate; sys.exit(not isolate())"],
        check=False,
    )
    if there.returncode:
        pytest.skip("this kernel has no Landlock")


@pytest.mark.parametrize("worker", [STAGE, WRAPPED], ids=["stage", "server of the user's own"])
def test_the_worker_cannot_be_looked_into(worker, tmp_path):
    kinds = ("environ", "maps", "cwd", "exe")
    own = {"own": True, "child looks at stage": True}
    assert seen(worker, tmp_path, isolated=False) == {**dict.fromkeys(kinds, "read"), **own}
    assert seen(worker, tmp_path, isolated=True) == {**dict.fromkeys(kinds, "Permission denied"), **own}


@contextmanager
def served(tmp_path, monkeypatch, *, isolated, server=None):
    """Start a server on this machine as a serve stage does; gives its process, which ends with the block."""
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", '{"conn_type": "mlflow", "host": "http://127.0.0.1:9"}')
    monkeypatch.setenv("AIRFLOW__ML__ISOLATE_STAGES", str(isolated))
    operator = ServeOperator(
        task_id="serve",
        model={"name": "line", "version": "3"},
        server=server,
        store=f"file://{tmp_path}/store",
        runner="local",
        mlflow_conn_id="mlflow_default",
        base_folder=str(tmp_path),
    )
    instance = SimpleNamespace(dag_id="flights", task_id="serve", run_id="r", map_index=-1, try_number=1)
    context = {"ti": instance, "dag": SimpleNamespace(tasks=[])}
    stage, run = operator.stage(context), operator.run_context(context)
    here = replace(run, settings=replace(run.settings, home=tmp_path))
    target, revision = serving_place(stage, here, endpoint="line", model="line", version="3")
    folder = here.settings.endpoints / "line"
    folder.mkdir(parents=True)
    target.start(revision, 1)
    (about,) = (folder / "servers").glob("*.json")
    process = psutil.Process(json.loads(about.read_text())["pid"])
    try:
        yield process
    finally:
        with suppress(psutil.NoSuchProcess):
            # Of the test's own children no other: the session's servers are among them.
            for found in (*process.children(recursive=True), process):
                found.kill()


@pytest.mark.parametrize("isolated", [True, False])
def test_a_server_of_the_users_own_is_isolated(isolated, tmp_path, monkeypatch):
    seen = tmp_path / "seen"
    # Root with all its rights may read an environment, and follow no link.
    look = f"readlink /proc/{os.getpid()}/cwd >{seen}.new; echo $? >>{seen}.new; mv {seen}.new {seen}; sleep 60"
    with served(tmp_path, monkeypatch, isolated=isolated, server=["sh", "-c", look]):
        wait_until(seen.exists, what="what the server saw", seconds=20, every=0.02)
    assert seen.read_text() == ("1\n" if isolated else f"{Path.cwd()}\n0\n")


def test_a_server_of_a_model_is_isolated(tmp_path, monkeypatch):
    with served(tmp_path, monkeypatch, isolated=True) as server:
        status = Path(f"/proc/{server.pid}/status")
        wait_until(lambda: "NoNewPrivs:\t1" in status.read_text(), what="a domain of its own", seconds=20, every=0.02)


def test_a_server_of_the_users_own_starts_with_the_signals_of_a_program():
    look = ["grep", "SigIgn", "/proc/self/status"]
    ignored = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for command in (look, [sys.executable, "-P", "-m", isolate.__module__, *look])
    ]
    assert ignored[0] == ignored[1]


def test_what_is_missing_is_said_of_the_command():
    run = subprocess.run(
        [sys.executable, "-P", "-m", isolate.__module__, "no-such-server"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (1, "no-such-server: No such file or directory\n")
