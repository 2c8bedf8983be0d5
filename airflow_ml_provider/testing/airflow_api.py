"""The part of Airflow's REST API that tests and the demo use.

The API: https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

FINAL_STATES = ("success", "failed")


class AirflowApi:
    """A client that is logged in.

    Args:
        client: An HTTP client with base URL and token.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @classmethod
    def login(cls, url: str, *, user: str, password: str) -> AirflowApi:
        """Log in with a user of the simple auth manager."""
        response = httpx.post(f"{url}/auth/token", json={"username": user, "password": password}, timeout=30)
        response.raise_for_status()
        headers = {"Authorization": f"Bearer {response.json()['access_token']}"}
        return cls(httpx.Client(base_url=f"{url}/api/v2", headers=headers, timeout=30))

    @property
    def headers(self) -> Mapping[str, str]:
        """What says who asks, for routes of plugins."""
        return {"Authorization": self._client.headers["Authorization"]}

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON at a path below ``/api/v2``."""
        response = self._client.get(path, params=params)
        response.raise_for_status()
        return response.json()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Post JSON to a path below ``/api/v2`` and return the answer.

        Raises:
            ValueError: Airflow refused it; the message has its words.
        """
        response = self._client.post(path, json=dict(body))
        if response.is_client_error:
            raise ValueError(f"Airflow refused {path} with {response.status_code}: {response.text}")
        response.raise_for_status()
        return response.json()

    def delete(self, path: str) -> None:
        """Delete what is at a path below ``/api/v2``."""
        self._client.delete(path).raise_for_status()

    def wait_for_dag(self, dag_id: str, *, seconds: float = 60) -> None:
        """Wait until the DAG processor has serialized a DAG.

        Raises:
            TimeoutError: It did not within the time; the message holds the import errors.
        """

        def known() -> bool:
            return self._client.get(f"/dags/{dag_id}").status_code == 200

        try:
            wait_until(known, what=f"DAG {dag_id}", seconds=seconds)
        except TimeoutError as error:
            errors = [entry["stack_trace"] for entry in self.get("/importErrors")["import_errors"]]
            raise TimeoutError("\n".join([str(error), *errors])) from error

    def trigger(self, dag_id: str, *, conf: Mapping[str, Any] | None = None, partition_key: str | None = None) -> str:
        """Start a run, of a partition where the DAG has them, and return its id."""
        body = {"logical_date": None, "conf": dict(conf or {}), "partition_key": partition_key}
        response = self._client.post(f"/dags/{dag_id}/dagRuns", json=body)
        response.raise_for_status()
        return str(response.json()["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return a run's state."""
        return str(self.get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """Return the task instances of a run by task id."""
        found = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {entry["task_id"]: entry for entry in found}

    def wait_for_run(self, dag_id: str, run_id: str, *, seconds: float = 300) -> str:
        """Wait for a run's end and return its state.

        Raises:
            TimeoutError: It still runs after that time.
        """
        wait_until(
            lambda: self.run_state(dag_id, run_id) in FINAL_STATES,
            what=f"the end of {run_id}",
            seconds=seconds,
        )
        return self.run_state(dag_id, run_id)

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Mark a task as ``failed`` or ``success``, as a user does in the UI."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        self._client.patch(path, json={"new_state": state}).raise_for_status()

    def pause(self, dag_id: str, *, paused: bool = True) -> None:
        """Pause a DAG, or let it go on."""
        self._client.patch(f"/dags/{dag_id}", json={"is_paused": paused}).raise_for_status()

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Clear tasks, as a user does in the UI, so that they run anew."""
        body = {"dag_run_id": run_id, "task_ids": list(task_ids), "dry_run": False, "only_failed": False}
        self._client.post(f"/dags/{dag_id}/clearTaskInstances", json=body).raise_for_status()

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str) -> Any:
        """Return an XCom's value, ``None`` when there is none."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        response = self._client.get(path)
        return None if response.status_code == 404 else response.json()["value"]

    def log(self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1) -> str:
        """Return the text of a task's log, empty when Airflow has none of that try."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        response = self._client.get(path, params={"full_content": True})
        if response.status_code == 404:
            return ""
        response.raise_for_status()
        return "\n".join(_log_line(entry) for entry in response.json()["content"])


def _log_line(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    errors = (f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or [])
    return "\n".join([str(entry.get("event", entry)), *errors])


def wait_until(ready: Callable[[], bool], *, what: str, seconds: float, every: float = 0.5) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: It did not hold within the time; the message says what was awaited.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(every)
