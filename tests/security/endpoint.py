"""A server of a registered model as the local target starts it, for whoever wants to attack it."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from airflow_ml_provider.protocol.environment import REQUEST_VARIABLE
from airflow_ml_provider.protocol.request import StageRequest, Tracking
from airflow_ml_provider.protocol.serving import SERVER, TOKEN_VARIABLE, metrics_port
from airflow_ml_provider.protocol.staged import STEP_VARIABLE
from airflow_ml_provider.runtime.stages.serve.counters import Counters
from airflow_ml_provider.serving.local_target import _free_port
from airflow_ml_provider.testing.airflow_api import wait_until

HOST = "127.0.0.1"


@dataclass
class Endpoint:
    """A server."""

    port: int
    process: psutil.Process
    log: Path
    kept: Path

    @property
    def url(self):
        return f"http://{HOST}:{self.port}"

    def post(self, content, *, content_type="application/json", **headers):
        named = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return httpx.post(f"{self.url}/invocations", content=content, headers=named, timeout=60, trust_env=False)

    def ask(self, **body):
        return self.post(json.dumps(body).encode())

    def counters(self):
        return Counters.read(httpx.get(f"http://{HOST}:{metrics_port(self.port)}/metrics", trust_env=False).text)

    def connected(self):
        return socket.create_connection((HOST, self.port), timeout=60)

    def memory(self):
        """Return the memory of the process in bytes."""
        return self.process.memory_info().rss

    def files(self):
        return sorted(self.kept.glob("*/*"))


def start(model, version, *, mlflow, folder, token="", **options):
    """Start a server, and return it once it answers."""
    port = _free_port()
    request = StageRequest(
        kind="serve",
        pipeline="p",
        stage="serve",
        dag_run="",
        attempt="serving",
        attempt_uri=f"file://{folder}/store/_serving/{model}",
        body="serve",
        options={
            "model": {"name": model, "version": version},
            "host": HOST,
            "port": port,
            "sample": 1.0,
            "log": f"file://{folder}/store/_requests/{model}",
            **options,
        },
        tracking=Tracking(uri=mlflow, run_id="", experiment_id=""),
    )
    log = folder / f"server-{port}.log"
    variables = {REQUEST_VARIABLE: request.to_json(), STEP_VARIABLE: SERVER, "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "airflow_ml_provider.runtime"],
            env={**os.environ, **variables, TOKEN_VARIABLE: token},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    found = Endpoint(port, psutil.Process(process.pid), log, folder / "store" / "_requests" / model)

    def answers():
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"{found.url}/ping", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, what="the server", seconds=90, every=0.1)
    return found
