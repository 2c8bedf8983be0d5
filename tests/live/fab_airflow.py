"""Airflow with the users and roles of the FAB auth manager, as many installations have it.

``airflow standalone`` takes the simple auth manager whatever is configured, so the parts are started one by one.
"""

import json
import os
import secrets
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx

from airflow_ml_provider.testing.airflow_api import AirflowApi
from airflow_ml_provider.testing.airflow_server import airflow_environment
from airflow_ml_provider.testing.server_process import ServerProcess, free_port

ROOT = Path(__file__).parents[2]
MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


class FabAirflow:
    """An Airflow of API server, DAG processor and scheduler.

    ``users`` are roles by user, whose password is the name; ``rights`` are (action, resource) by role, FAB's or a new
    one.
    """

    def __init__(self, *, home, dags_folder, environment, users, rights):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **airflow_environment(home=home, dags_folder=dags_folder, url=self.url, port=port),
            "AIRFLOW__CORE__AUTH_MANAGER": MANAGER,
            # Standalone makes one for all its parts.
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(32),
            **environment,
        }
        self._users = users
        self._rights = rights
        self._home = home
        self._api_server = self._part("api-server", "--host", "127.0.0.1", "--port", str(port))
        self._others = [self._part("dag-processor"), self._part("scheduler")]

    def __enter__(self):
        self._home.mkdir(parents=True, exist_ok=True)
        self._run("airflow", "db", "migrate")
        self._run("airflow", "dags", "reserialize")
        self._run("tests.live.fab_users", given=json.dumps({"users": self._users, "rights": self._rights}))
        with ExitStack() as on_failure:
            on_failure.callback(self.__exit__)
            for part in (self._api_server, *self._others):
                part.start()
            # Each is waited for by itself, since one that ends shows its own log.
            for part in (self._api_server, *self._others):
                part.wait_until(partial(self._healthy, part.name), seconds=120)
            on_failure.pop_all()
        return self

    def __exit__(self, *error):
        for part in (*self._others, self._api_server):
            part.stop(seconds=20)

    @property
    def log(self):
        """The scheduler's."""
        return self._home / "scheduler.log"

    def api(self, user):
        return AirflowApi.login(self.url, user=user, password=user)

    def _part(self, name, *arguments):
        return ServerProcess(
            name=name,
            command=[sys.executable, "-m", "airflow", name, *arguments],
            environment=self.environment,
            log=self._home / f"{name}.log",
        )

    def _healthy(self, name):
        response = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=10)
        parts = response.json() if response.status_code == 200 else {}
        key = {"api-server": "metadatabase"}.get(name, name.replace("-", "_"))
        return (parts.get(key) or {}).get("status") == "healthy"

    def _run(self, module, *arguments, given=""):
        command = [sys.executable, "-m", module, *arguments]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(
            command, env=environment, cwd=ROOT, input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
