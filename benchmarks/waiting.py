"""Five hundred deferred pods on one event loop: memory, connections, and how long the loop is held up.

A server in another process answers as the API server does, with pods as large as real ones (their environment carries
request and runtime). Each variant waits in a fresh process for so many pods that run for so many seconds:
StagePodTrigger, and KubernetesPodTrigger as shipped. Neither follows logs. The goal is a longest delay under 100 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from airflow_ml_provider.pod.injection import packed_runtime
from airflow_ml_provider.testing.server_process import free_port

NAMESPACE = "ml"


def pod(number: int, phase: str) -> dict[str, Any]:
    """Return a pod's JSON."""
    ended = {"terminated": {"exitCode": 0, "startedAt": "2026-11-24T12:00:00Z", "finishedAt": "2026-11-24T12:00:09Z"}}
    state = {"running": {"startedAt": "2026-11-24T12:00:00Z"}} if phase == "Running" else ended
    return {
        "metadata": {"name": f"p{number}", "uid": f"u{number}", "namespace": NAMESPACE, "resourceVersion": "1"},
        "spec": {
            "nodeName": "n",
            "containers": [{"name": "base", "env": [{"name": "AIRFLOW_ML_RUNTIME", "value": packed_runtime()}]}],
        },
        "status": {
            "phase": phase,
            "containerStatuses": [
                {"name": "base", "state": state, "image": "i", "imageID": "i", "ready": True, "restartCount": 0}
            ],
        },
    }


def serve(port: int, pods: int, seconds: float) -> None:
    """Answer lists, reads and watches of pods that end ``seconds`` after the first request for one."""
    from aiohttp import web

    ends = [0.0]

    def phase() -> str:
        ends[0] = ends[0] or time.monotonic() + seconds
        return "Running" if time.monotonic() < ends[0] else "Succeeded"

    async def listed(request: web.Request) -> web.StreamResponse:
        query = request.query
        if query.get("watch") in ("true", "True", "1"):
            response = web.StreamResponse()
            await response.prepare(request)
            while phase() == "Running":
                await asyncio.sleep(0.2)
            for number in range(pods):
                event = {"type": "MODIFIED", "object": pod(number, "Succeeded")}
                await response.write(json.dumps(event).encode() + b"\n")
            await asyncio.sleep(30)
            return response
        if "fieldSelector" in query:
            numbers = [int(query["fieldSelector"].rpartition("=p")[2])]
        else:
            first = int(query.get("continue", "0"))
            numbers = list(range(first, min(pods, first + int(query.get("limit", pods)))))
        following = numbers[-1] + 1
        more = {"continue": str(following)} if "fieldSelector" not in query and following < pods else {}
        now = phase()
        items = [pod(number, now) for number in numbers]
        return web.json_response({"items": items, "metadata": {"resourceVersion": "1", **more}})

    async def read(request: web.Request) -> web.Response:
        return web.json_response(pod(int(request.match_info["name"][1:]), phase()))

    async def nothing(request: web.Request) -> web.Response:
        return web.json_response({"items": [], "metadata": {"resourceVersion": "1"}})

    application = web.Application()
    application.router.add_get(f"/api/v1/namespaces/{NAMESPACE}/pods", listed)
    application.router.add_get(f"/api/v1/namespaces/{NAMESPACE}/pods/{{name}}", read)
    application.router.add_get(f"/api/v1/namespaces/{NAMESPACE}/events", nothing)
    web.run_app(application, host="127.0.0.1", port=port, print=None)


def trigger(variant: str, number: int, kubeconfig: str) -> Any:
    """Return the trigger of one pod."""
    if variant == "StagePodTrigger":
        from airflow_ml_provider.triggers.stage_pod import StagePodTrigger

        access = {"conn_id": None, "in_cluster": None, "config_file": kubeconfig, "cluster_context": None}
        return StagePodTrigger(
            namespace=NAMESPACE,
            pod_name=f"p{number}",
            container="base",
            log_container="base",
            access=access,
            get_logs=False,
        )
    import datetime as dt

    import yaml
    from airflow.providers.cncf.kubernetes.triggers.pod import KubernetesPodTrigger

    return KubernetesPodTrigger(
        pod_name=f"p{number}",
        pod_namespace=NAMESPACE,
        trigger_start_time=dt.datetime.now(tz=dt.UTC),
        base_container_name="base",
        config_dict=yaml.safe_load(Path(kubeconfig).read_text()),
        get_logs=False,
        log_events_on_startup=False,
    )


async def wait(variant: str, pods: int, kubeconfig: str) -> dict[str, float]:
    """Run all triggers to their events and return what it took."""
    import psutil

    process = psutil.Process()
    triggers = [trigger(variant, number, kubeconfig) for number in range(pods)]
    before, cpu = process.memory_info().rss, process.cpu_times().user
    lags: list[float] = []
    connections: list[int] = []
    highest = [before]

    async def first_event(one: Any) -> None:
        async for _ in one.run():
            return

    async def sample() -> None:
        loop = asyncio.get_running_loop()
        asked = loop.time()
        while True:
            await asyncio.sleep(0.01)
            lags.append(loop.time() - asked - 0.01)
            asked = loop.time()
            if len(lags) % 50 == 0:
                connections.append(sum(c.status == "ESTABLISHED" for c in process.net_connections("tcp")))
                highest[0] = max(highest[0], process.memory_info().rss)
                asked = loop.time()

    sampling = asyncio.create_task(sample())
    await asyncio.gather(*(first_event(one) for one in triggers))
    sampling.cancel()
    return {
        "KiB a trigger": (highest[0] - before) / 1024 / pods,
        "connections": max(connections, default=0),
        "longest delay ms": 1000 * max(lags),
        "CPU s": process.cpu_times().user - cpu,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    parser.add_argument("--kubeconfig", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        import logging

        logging.disable(logging.CRITICAL)
        trigger(arguments.variant, 0, arguments.kubeconfig)
        # A triggerer has set up its database models long before; here the first connection would do it.
        from airflow.models import Connection

        Connection(conn_id="any")
        print(json.dumps(asyncio.run(wait(arguments.variant, arguments.pods, arguments.kubeconfig))))
        return
    for variant in ("StagePodTrigger", "KubernetesPodTrigger"):
        port = free_port()
        server = multiprocessing.Process(target=serve, args=(port, arguments.pods, arguments.seconds), daemon=True)
        server.start()
        with tempfile.TemporaryDirectory() as home:
            kubeconfig = Path(home) / "config"
            kubeconfig.write_text(json.dumps(_kubeconfig(port)))
            command = [sys.executable, __file__, "--variant", variant, "--kubeconfig", str(kubeconfig)]
            command += ["--pods", str(arguments.pods), "--seconds", str(arguments.seconds)]
            environment = {**os.environ, "AIRFLOW_HOME": home}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        server.terminate()
        found = json.loads(done.stdout.splitlines()[-1])
        print(f"{variant:<22}" + "".join(f"  {name} {value:,.1f}" for name, value in found.items()), flush=True)


def _kubeconfig(port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }


if __name__ == "__main__":
    main()
