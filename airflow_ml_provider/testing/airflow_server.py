"""A real Airflow, all components, on free ports with SQLite."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import httpx

from airflow_ml_provider.testing.airflow_api import AirflowApi
from airflow_ml_provider.testing.server_process import ServerProcess, free_port

USER, PASSWORD = "admin", "admin"
PASSWORD_FILE = "simple_auth_manager_passwords.json.generated"  # noqa: S105  a file name


class AirflowServer:
    """``airflow standalone`` as a context manager: scheduler, DAG processor, triggerer, API server.

    Args:
        home: ``AIRFLOW_HOME``; kept when it stops, so a second start is faster.
        dags_folder: Where its DAG files lie.
        environment: More variables, such as connections and ``AIRFLOW__ML__STORE``.
        port: The API server's port, a free one by default.
        users: Roles of the simple auth manager by user, next to the administrator; a password is the user's name.
    """

    def __init__(
        self,
        *,
        home: Path,
        dags_folder: Path,
        environment: Mapping[str, str],
        port: int | None = None,
        users: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.home = home
        self.environment = {
            **airflow_environment(home=home, dags_folder=dags_folder, url=self.url, port=self.port),
            **environment,
        }
        self._users = {USER: "admin", **(users or {})}
        self.environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] = ",".join(
            f"{name}:{role}" for name, role in self._users.items()
        )
        self._server = ServerProcess(
            name="Airflow",
            command=[sys.executable, "-m", "airflow", "standalone"],
            environment=self.environment,
            log=home / "standalone.log",
            stop_signal=signal.SIGINT,
        )

    @property
    def log(self) -> Path:
        """The file that all components log to."""
        return self._server.log

    def start(self) -> AirflowApi:
        """Start Airflow, wait until every component is healthy (120 seconds at most), and log in."""
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / PASSWORD_FILE).write_text(json.dumps({name: name for name in self._users}), encoding="utf-8")
        self._server.start()
        self._server.wait_until(self._healthy, seconds=120)
        return self.api()

    def api(self, user: str = USER) -> AirflowApi:
        """Return a client that is logged in."""
        return AirflowApi.login(self.url, user=user, password=user)

    def stop(self) -> None:
        """Stop all components."""
        self._server.stop(seconds=20)

    def _healthy(self) -> bool:
        response = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=10)
        if response.status_code != 200:
            return False
        parts = response.json()
        wanted = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all((parts.get(part) or {}).get("status") == "healthy" for part in wanted)

    def __enter__(self) -> AirflowApi:
        with ExitStack() as on_failure:
            on_failure.callback(self.stop)
            api = self.start()
            on_failure.pop_all()
        return api

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.stop()


def airflow_environment(*, home: Path, dags_folder: Path, url: str, port: int) -> dict[str, str]:
    """Return the variables of a small Airflow that shares nothing with another on this machine."""
    # Standalone starts its components as plain ``airflow``.
    executables = str(Path(sys.executable).parent)
    return {
        "PATH": f"{executables}{os.pathsep}{os.environ.get('PATH', '')}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
