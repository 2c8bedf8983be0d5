"""What faults reach beyond one stage: the cluster's daemons, MLflow, the store, Airflow's components."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager

import httpx
import psutil


class World:
    """What faults reach beyond the stage."""

    def __init__(self, *, kubernetes, mlflow_server, airflow, shared_cluster, cluster_home, store, api_proxy):
        self.kubernetes = kubernetes
        self.mlflow_server = mlflow_server
        self._airflow = airflow
        self._shared = shared_cluster
        self._home = cluster_home
        self._store = store
        self.api_proxy = api_proxy
        self._components = []

    def daemon(self, name):
        return int((self._home / "run" / f"{name}.pid").read_text())

    def kill_daemon(self, name):
        os.kill(self.daemon(name), signal.SIGKILL)

    def cluster_up(self):
        self._shared("up")

    @contextmanager
    def paused(self, name):
        os.kill(self.daemon(name), signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.daemon(name), signal.SIGCONT)

    def wait(self, seconds):
        """Let a fault last so long; the fault is the time itself."""
        time.sleep(seconds)

    def mlflow_answers(self):
        try:
            return httpx.get(f"{self.mlflow_server.uri}/health").status_code == 200
        except httpx.TransportError:
            return False

    def stop_store(self):
        self._store("down")

    def start_store(self):
        self._store("up")

    def kill_component(self, name):
        """Kill Airflow's triggerer or scheduler and start another one, as a supervisor of services does."""
        found = [
            p
            for p in psutil.process_iter(["cmdline", "environ"])
            if f"airflow {name}" in " ".join(p.info["cmdline"] or ())
            and (p.info["environ"] or {}).get("AIRFLOW_HOME") == str(self._airflow.server.home)
        ]
        assert found, f"there is no {name}"
        for process in found:
            process.kill()
        log = (self._airflow.server.home / f"{name}-2.log").open("wb")
        self._components.append(
            subprocess.Popen(
                ["airflow", name],
                env={**os.environ, **self._airflow.server.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # As the first ones: on the shared volume workers and pods write into each other's folders.
                umask=0,
            )
        )

    def close(self):
        for process in self._components:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.wait()
