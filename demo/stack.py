"""Airflow and MLflow for the demo, with what they need of this machine checked first."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from airflow_ml_provider.testing.airflow_api import AirflowApi
from airflow_ml_provider.testing.airflow_server import AirflowServer
from airflow_ml_provider.testing.mlflow_server import MlflowServer
from airflow_ml_provider.testing.server_process import free_port

ROOT = Path(__file__).parent.parent
STATE = ROOT / ".demo"
STORE = STATE / "artifacts"
NEEDED_BYTES = 500_000_000


class DemoError(Exception):
    """The demo cannot go on; the message is one line for the person at the terminal."""


@dataclass(frozen=True)
class Stack:
    """What runs.

    Attributes:
        api: Airflow's REST API, logged in.
        airflow_url: Where Airflow's UI is.
        mlflow_url: Where MLflow's UI is.
    """

    api: AirflowApi
    airflow_url: str
    mlflow_url: str


@contextmanager
def running_stack() -> Iterator[Stack]:
    """Start both servers, and stop them when the block ends.

    Raises:
        DemoError: The disk is full, a port that was asked for is taken, or another demo runs here.
        ServerError: A server did not start.
    """
    STATE.mkdir(exist_ok=True)
    free = shutil.disk_usage(STATE).free
    if free < NEEDED_BYTES:
        raise DemoError(f"needs 500 MB of free disk in {STATE}, {free // 1_000_000} MB are free")
    with ExitStack() as stack:
        stack.enter_context(_only_one())
        mlflow = MlflowServer(STATE / "mlflow", port=_port("MLflow", "MLFLOW_PORT", 5000))
        airflow = AirflowServer(
            home=STATE / "airflow",
            dags_folder=ROOT / "example_dags",
            port=_port("Airflow", "AIRFLOW_PORT", 8080),
            environment={
                "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps({"conn_type": "mlflow", "host": mlflow.uri}),
                "AIRFLOW__ML__STORE": f"file://{STORE}",
            },
        )
        stack.enter_context(mlflow)
        api = stack.enter_context(airflow)
        yield Stack(api=api, airflow_url=airflow.url, mlflow_url=mlflow.uri)


@contextmanager
def _only_one() -> Iterator[None]:
    with (STATE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError("another 'make demo' or 'make ui' runs in this folder; stop it first") from None
        yield


def _port(name: str, variable: str, preferred: int) -> int:
    asked = os.environ.get(variable)
    if asked is None:
        if _is_free(preferred):
            return preferred
        other = free_port()
        print(f"Port {preferred} is taken: {name} uses {other} ({variable}=... chooses another).")
        return other
    if not asked.isdigit() or not 0 < int(asked) < 65536:
        raise DemoError(f"{variable}={asked} is not a port; use a number from 1 to 65535")
    if not _is_free(int(asked)):
        raise DemoError(f"port {asked} is taken; choose another: make demo {variable}={free_port()}")
    return int(asked)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
