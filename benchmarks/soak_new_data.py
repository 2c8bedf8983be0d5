"""A feed of objects into a real S3 while everything of a real Airflow is killed: each object in exactly one run.

An hour of a feed is compressed into ``--minutes``. At random times, from a seed that is printed, scheduler, triggerer,
DAG processor and workers are each ended with SIGKILL (a supervisor starts them again) and the DAG is paused and let go
on. Failed runs are cleared, as a person would. When the feed has ended and nothing is new, every object version must be
in the manifest of exactly one run that succeeded, and in its data.

The S3 server is that of AWS_ENDPOINT_URL with a bucket of AWS_SOAK_BUCKET (default ``soak``), or moto's.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil

from airflow_ml_provider.artifacts.claims import SourceClaims
from airflow_ml_provider.artifacts.objects import filesystem, read_object
from airflow_ml_provider.artifacts.source_files import objects
from airflow_ml_provider.protocol.manifest import from_lines
from airflow_ml_provider.testing.airflow_api import AirflowApi
from airflow_ml_provider.testing.airflow_server import AirflowServer
from airflow_ml_provider.testing.server_process import ServerProcess, free_port

DAG = "soak"
COMPONENTS = ("scheduler", "triggerer", "dag-processor")
PIPELINE = """\
pipeline: soak
code: steps
tracking: false
retries: 2
retry_delay: 1s
schedule: {{data: feed}}
sources:
  feed: {{uri: "s3://{bucket}/feed/**/*.txt", settle: 1s, poll: 2s, max_objects: 150}}
stages:
  count:
    kind: container
    run: steps.work:count
    inputs: {{feed: sources.feed}}
"""
CODE = """\
import time
from pathlib import Path


def count(feed: Path):
    time.sleep(2)
    return {"files": len(list(feed.rglob("*.txt")))}
"""
LOADER = "from airflow_ml_provider.dag_factory import load_dags\n\nglobals().update(load_dags(__file__))\n"


class Components:
    """Airflow's processes, killed and started again."""

    def __init__(self, server: AirflowServer) -> None:
        self._server = server
        self._started: list[subprocess.Popen[bytes]] = []
        self.killed: Counter[str] = Counter()

    def kill(self, name: str) -> bool:
        """Kill a component, or the workers' tasks; returns whether there was something to kill."""
        found = self._find("scheduler" if name == "workers" else name)
        below = [child for process in found for child in process.children(recursive=True)]
        if name == "workers":
            tasks = [process for process in below if _is_task(process)]
            found = [*tasks, *(parent for process in tasks if (parent := process.parent()) is not None)]
        else:
            found += below
        for process in found:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        if not found:
            return False
        self.killed[name] += 1
        if name in COMPONENTS:
            self._start(name)
        return True

    def stop(self) -> None:
        """End what was started here."""
        for process in self._started:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
            process.wait()

    def _find(self, name: str) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            mine = (process.info["environ"] or {}).get("AIRFLOW_HOME") == str(self._server.home)
            if mine and " ".join(process.info["cmdline"] or ()).strip().endswith(f"airflow {name}"):
                found.append(process)
        return found

    def _start(self, name: str) -> None:
        with (self._server.home / f"{name}-again.log").open("ab") as log:
            self._started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "airflow", name],
                    env={**os.environ, **self._server.environment},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )


def _is_task(process: psutil.Process) -> bool:
    try:
        line = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
    return "airflow worker -- " in line and "LocalExecutor" not in line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=5, help="of each component")
    parser.add_argument("--pauses", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        variables, moto = s3_server(Path(folder))
        os.environ.update(variables)
        try:
            soak(Path(folder), arguments, variables)
        finally:
            if moto is not None:
                moto.stop(seconds=3)


def s3_server(folder: Path) -> tuple[dict[str, str], ServerProcess | None]:
    """Return the variables of the S3 server, and the server where it is one of ours."""
    if os.environ.get("AWS_ENDPOINT_URL"):
        names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
        return {name: os.environ[name] for name in names if name in os.environ}, None
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    server = ServerProcess(name="moto's S3 server", command=command, environment={}, log=folder / "s3.log")
    server.start()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    server.wait_until(lambda: httpx.get(f"http://127.0.0.1:{port}/").status_code < 500, seconds=30)
    return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", **keys}, server


def soak(folder: Path, arguments: argparse.Namespace, variables: dict[str, str]) -> None:
    """Run the feed and the faults, then count."""
    bucket = f"{os.environ.get('AWS_SOAK_BUCKET', 'soak')}-{arguments.seed}"
    files, _ = filesystem(f"s3://{bucket}")
    files.mkdir(bucket)
    dags = folder / "dags"
    (dags / DAG / "steps").mkdir(parents=True)
    (dags / "load.py").write_text(LOADER)
    (dags / DAG / "pipeline.yaml").write_text(PIPELINE.format(bucket=bucket))
    (dags / DAG / "steps" / "__init__.py").touch()
    (dags / DAG / "steps" / "work.py").write_text(CODE)
    server = AirflowServer(
        home=folder / "airflow",
        dags_folder=dags,
        environment={
            **variables,
            "AIRFLOW__ML__STORE": f"s3://{bucket}/store",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        },
    )
    with server as api:
        components = Components(server)
        try:
            api.wait_for_dag(DAG)
            feed(api, components, files, bucket, arguments)
            drain(api, bucket)
            report(api, bucket, components, arguments)
        finally:
            components.stop()


def feed(api: AirflowApi, components: Components, files: Any, bucket: str, arguments: argparse.Namespace) -> None:
    """Write objects, some of them again, and kill and pause in between."""
    chance = random.Random(arguments.seed)
    seconds = arguments.minutes * 60
    plan = [(chance.uniform(0, seconds), "write", number) for number in range(arguments.objects)]
    plan += [
        (chance.uniform(0.05, 0.95) * seconds, "kill", name)
        for name in (*COMPONENTS, "workers")
        for _ in range(arguments.kills)
    ]
    for _ in range(arguments.pauses):
        begin = chance.uniform(0.1, 0.8) * seconds
        plan += [(begin, "pause", True), (begin + 0.05 * seconds, "pause", False)]
    due: list[str] = []
    started = time.monotonic()
    for at, action, what in sorted(plan, key=lambda step: step[0]):
        time.sleep(max(0.0, at - (time.monotonic() - started)))
        if action == "write":
            files.pipe_file(f"{bucket}/feed/{what % 7}/{what:06d}.txt", f"object {what}".encode())
        elif action == "kill":
            due.append(what)
        else:
            patiently(lambda paused=what: api.pause(DAG, paused=paused))
            print(f"{time.monotonic() - started:6.0f} s  {'paused' if what else 'goes on'}", flush=True)
        for name in list(due):
            # No task may run just now; the next object gives another chance.
            if components.kill(name):
                due.remove(name)
                print(f"{time.monotonic() - started:6.0f} s  SIGKILL of {name}", flush=True)


def drain(api: AirflowApi, bucket: str) -> None:
    """Wait until every object belongs to a run that succeeded, clearing the runs that failed."""
    claims = SourceClaims(f"s3://{bucket}/store", pipeline=DAG, source="feed")
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        ledger = claims.read()
        new = sum(not ledger.is_handed_out(found) for found in objects(f"s3://{bucket}/feed/**/*.txt"))
        still_open = {claim.dag_run for claim in ledger.open()}
        states = {run["dag_run_id"]: run["state"] for run in runs(api)}
        print(f"         {new} new, {len(still_open)} claims open, {Counter(states.values())}", flush=True)
        busy = [run for run, state in states.items() if state in ("queued", "running")]
        if not (new or still_open or busy):
            return
        for run in still_open:
            if states.get(run) == "failed":
                tasks = list(api.tasks(DAG, run))
                patiently(lambda run=run, tasks=tasks: api.clear(DAG, run, *tasks))
        time.sleep(5)
    raise SystemExit("the feed was not worked off within 15 minutes")


def report(api: AirflowApi, bucket: str, components: Components, arguments: argparse.Namespace) -> None:
    """Count every object in the manifests and the data of the runs that succeeded."""
    seen: Counter[tuple[str, str]] = Counter()
    copied = 0
    states = Counter(run["state"] for run in runs(api))
    for run in runs(api):
        ref = api.xcom(DAG, run["dag_run_id"], "sources.feed", "manifest")
        if run["state"] != "success" or ref is None:
            continue
        entries = list(from_lines(read_object(ref["uri"])))
        seen.update((entry.uri, entry.version) for entry in entries)
        metrics = api.xcom(DAG, run["dag_run_id"], "count", "metrics")
        assert metrics["files"] == len(entries), run
        copied += len(entries)
    wanted = {(found.uri, found.version) for found in objects(f"s3://{bucket}/feed/**/*.txt")}
    twice = [key for key, count in seen.items() if count > 1]
    missing = wanted - seen.keys()
    tries = sum(task["try_number"] for run in runs(api) for task in api.tasks(DAG, run["dag_run_id"]).values())
    print(json.dumps({"killed": components.killed, "runs": states, "tries of tasks": tries}))
    print(
        f"seed {arguments.seed}: {len(wanted)} objects, {copied} copied, {len(missing)} missing, {len(twice)} twice",
        flush=True,
    )
    if missing or twice or len(wanted) != arguments.objects:
        raise SystemExit("not exactly once")


def runs(api: AirflowApi) -> list[dict[str, Any]]:
    """Return all runs."""
    found: list[dict[str, Any]] = []
    while True:
        offset = len(found)
        page = patiently(lambda offset=offset: api.get(f"/dags/{DAG}/dagRuns", limit=100, offset=offset, order_by="id"))
        found += page["dag_runs"]
        if len(found) >= page["total_entries"]:
            return found


def patiently(call: Any) -> Any:
    """Call; Airflow on SQLite answers 500 while its database is locked."""
    for _ in range(20):
        try:
            return call()
        except httpx.HTTPError:
            time.sleep(1)
    return call()


if __name__ == "__main__":
    main()
