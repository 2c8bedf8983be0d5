"""Lines of one pod's log that a stage logs and that KubernetesPodOperator logs, of the same pod at the same time.

The pod writes numbered lines as fast as it can, more than its node keeps (``containerLogMaxSize`` times
``containerLogMaxFiles``, 50 MB as Kubernetes comes). Three processes follow it and write what they log to a file
each: a stage that waits in its task, a stage's trigger, and KubernetesPodOperator's PodManager.

Needs KUBECONFIG and ML_TEST_IMAGE, an image with Python. Figures are those of each round.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import os
import re
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

KUBECONFIG, IMAGE = os.environ["KUBECONFIG"], os.environ["ML_TEST_IMAGE"]
NAMESPACE = os.environ.get("ML_TEST_NAMESPACE", "default")
# All followers are there before the first line, also on a busy machine.
WRITER = """\
import sys, time
count, pause = int(sys.argv[1]), float(sys.argv[2])
time.sleep(15)
for number in range(count):
    sys.stdout.write(f"line {number:09d} {'x' * 84}\\n")
    if pause and number % 1000 == 999:
        sys.stdout.flush()
        time.sleep(pause)
"""
LINE = re.compile(r"line (\d{9}) ")


def stage_task(name: str) -> None:
    """Follow a pod as a stage does in its task."""
    from airflow_ml_provider.decisions.pods.log_position import longest_rest_seconds, rest_seconds
    from airflow_ml_provider.decisions.pods.pod_state import PodState
    from airflow_ml_provider.hooks.pod_log import PodLog

    log = logging.getLogger("told")
    pods = _pods()
    follower = PodLog(pods, name, container="base", emit=lambda line: log.info("%s", line))
    while True:
        found = pods.read(name)
        assert found is not None
        state = PodState.of(found, container="base")
        if state.started:
            follower.start()
        if state.ended:
            break
        time.sleep(0.2)
    if not follower.finish(rest_seconds(state), longest=longest_rest_seconds(state)):
        log.warning("the end did not come in time: lines may be missing")


def stage_trigger(name: str) -> None:
    """Follow a pod as a stage's trigger does."""
    from airflow_ml_provider.triggers.stage_pod import StagePodTrigger

    async def follow() -> None:
        trigger = StagePodTrigger(
            access={**dict.fromkeys(("conn_id", "in_cluster", "cluster_context")), "config_file": KUBECONFIG},
            namespace=NAMESPACE,
            pod_name=name,
            container="base",
            log_container="base",
        )
        trigger._log = logging.getLogger("told")
        async for _ in trigger.run():
            # The watch would go on for other triggers of the process.
            logging.shutdown()
            os._exit(0)

    asyncio.run(follow())


def stock(name: str) -> None:
    """Follow a pod as KubernetesPodOperator does."""
    from airflow.providers.cncf.kubernetes.utils.pod_manager import PodManager
    from kubernetes import client, config

    api = client.CoreV1Api(config.new_client_from_config(KUBECONFIG))
    manager = PodManager(kube_client=api)
    manager._log = logging.getLogger("told")
    while not manager.container_is_running(pod := api.read_namespaced_pod(name, NAMESPACE), "base"):
        time.sleep(0.2)
    manager.fetch_container_logs(pod, "base", follow=True)


def _pods() -> Any:
    from kubernetes import client, config

    from airflow_ml_provider.hooks.pods import Pods

    return Pods(client.CoreV1Api(config.new_client_from_config(KUBECONFIG)), namespace=NAMESPACE)


FOLLOWERS = {"stage, task": stage_task, "stage, trigger": stage_trigger, "KubernetesPodOperator": stock}


def follow(follower: str, name: str, path: Path) -> None:
    """Follow a pod and write what is logged to a file."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("told")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    FOLLOWERS[follower](name)


def seen(path: Path, count: int) -> tuple[int, int, list[str]]:
    """Return how many lines a file has, how many come twice, and what it has between lines that do not follow."""
    numbers: set[int] = set()
    lines, last, said = 0, -1, ""
    gaps: list[str] = []

    def gap(upto: int) -> None:
        gaps.append(f"{last + 1:,} to {upto - 1:,}: {said or 'NOTHING IS SAID'}")

    with path.open(errors="replace") as told:
        for line in told:
            found = LINE.search(line)
            if found is None:
                said = line.strip() if re.search("missing|interrupted", line) else said
                continue
            number = int(found[1])
            lines += 1
            numbers.add(number)
            if number > last + 1:
                gap(number)
            last, said = max(number, last), ""
    if last != count - 1:
        gap(count)
    return len(numbers), lines - len(numbers), gaps


def one_round(*, count: int, pause: float) -> dict[str, tuple[int, int, list[str], float]]:
    """Let a pod write, and return what each follower logged."""
    from kubernetes import client, config

    api = client.CoreV1Api(config.new_client_from_config(KUBECONFIG))
    name = f"log-{uuid.uuid4().hex[:10]}"
    command = ["python3", "-c", WRITER, str(count), str(pause)]
    container = {
        "name": "base",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"restartPolicy": "Never", "containers": [container], "securityContext": security}
    pod = {"metadata": {"name": name}, "spec": spec}
    api.create_namespaced_pod(NAMESPACE, pod)
    try:
        with tempfile.TemporaryDirectory() as folder:
            started = time.monotonic()
            paths = {follower: Path(folder, str(number)) for number, follower in enumerate(FOLLOWERS)}
            # A fork would take threads' locks and open connections with it.
            spawn = multiprocessing.get_context("spawn")
            processes = {
                follower: spawn.Process(target=follow, args=(follower, name, path)) for follower, path in paths.items()
            }
            for process in processes.values():
                process.start()
            seconds: dict[str, float] = {}
            while len(seconds) < len(processes):
                for follower, process in processes.items():
                    if follower not in seconds and process.exitcode is not None:
                        assert process.exitcode == 0, follower
                        seconds[follower] = time.monotonic() - started
                time.sleep(0.1)
            return {follower: (*seen(path, count), seconds[follower]) for follower, path in paths.items()}
    finally:
        api.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds that the pod rests after each 100 kB")
    given = parser.parse_args()
    count = given.megabytes * 10_000
    print(f"{count:,} lines of 100 bytes   {'lines':>10} {'lost':>10} {'twice':>8} {'seconds':>8}")
    for number in range(given.rounds):
        print(f"round {number + 1}")
        for follower, (lines, twice, gaps, seconds) in one_round(count=count, pause=given.pause).items():
            print(f"  {follower:<26} {lines:>10,} {count - lines:>10,} {twice:>8,} {seconds:>8.1f}")
            for gap in gaps:
                print(f"    {gap[:160]}")


if __name__ == "__main__":
    main()
