"""A client of MLflow's REST API."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import tenacity

from airflow_ml_provider.errors import MlflowAuthorizationError, MlflowError, MlflowUnavailableError
from airflow_ml_provider.mlflow_api.answers import (
    OddAnswerError,
    content_of,
    items,
    json_object,
    member,
    run_of,
)
from airflow_ml_provider.mlflow_api.server import MlflowServer
from airflow_ml_provider.protocol.metrics import mark
from airflow_ml_provider.protocol.plain_text import one_line

PARAM_LIMIT = 6000
TAG_LIMIT = 8000
_BATCH = 100
ATTEMPTS = 4
T = TypeVar("T")


class MlflowClient:
    """A tracking server and its model registry.

    Args:
        server: Where it is, and how to log in.
        attempts: How often a request is sent that may be repeated.
    """

    def __init__(self, server: MlflowServer, *, attempts: int = ATTEMPTS) -> None:
        self.server = server
        self._attempts = attempts

    @property
    def uri(self) -> str:
        """The server's URI, without credentials."""
        return self.server.uri

    @cached_property
    def _client(self) -> httpx.Client:
        return self.server.http_client()

    def experiment_id(self, name: str) -> str:
        """Return the id of the experiment of that name, created when there is none.

        Raises:
            MlflowError: MLflow refused, the experiment is deleted among others.
        """
        try:
            answer = self.call("GET", "experiments/get-by-name", params={"experiment_name": name})
        except MlflowError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            try:
                created = self.call("POST", "experiments/create", json={"name": name})
            except MlflowError as lost:
                if lost.code != "RESOURCE_ALREADY_EXISTS":
                    raise
                return self.experiment_id(name)
            with self._expected("experiments/create"):
                return member(created, "experiment_id", str)
        with self._expected("experiments/get-by-name"):
            experiment = member(answer, "experiment", dict)
            number = member(experiment, "experiment_id", str)
        if experiment.get("lifecycle_stage") != "active":
            raise MlflowError(f"MLflow experiment {name!r} is deleted; restore it or name another one")
        return number

    def experiment_ids(self) -> Iterator[str]:
        """Yield the ids of all experiments that are not deleted, page by page."""
        body = {"max_results": 1000, "view_type": "ACTIVE_ONLY"}
        yield from self.pages(
            "POST",
            "experiments/search",
            body,
            key="experiments",
            read=lambda found: member(found, "experiment_id", str),
        )

    def create_run(self, *, experiment_id: str, name: str, tags: Mapping[str, str]) -> str:
        """Create a run in state RUNNING and return its id."""
        body = {
            "experiment_id": experiment_id,
            "run_name": name,
            "start_time": _now_ms(),
            "tags": _pairs(tags, TAG_LIMIT),
        }
        answer = self.call("POST", "runs/create", json=body, repeatable=False)
        with self._expected("runs/create"):
            return str(run_of(member(answer, "run", dict))["info"]["run_id"])

    def get_run(self, run_id: str) -> dict[str, Any]:
        """Return a run as MLflow's REST API gives it."""
        return self.ask("GET", "runs/get", {"run_id": run_id}, key="run", read=run_of)

    def delete_run(self, run_id: str) -> None:
        """Delete a run (it can be restored in MLflow)."""
        self.call("POST", "runs/delete", json={"run_id": run_id})

    def search_runs(self, *, experiment_id: str, filter_string: str) -> Iterator[dict[str, Any]]:
        """Yield the runs of an experiment that a filter matches, page by page."""
        body = {"experiment_ids": [experiment_id], "filter": filter_string, "max_results": 1000}
        yield from self.pages("POST", "runs/search", body, key="runs", read=run_of)

    def set_status(self, run_id: str, status: str) -> None:
        """Set a run's status: RUNNING reopens it, FINISHED, FAILED and KILLED end it now."""
        body: dict[str, Any] = {"run_id": run_id, "status": status}
        if status != "RUNNING":
            body["end_time"] = _now_ms()
        self.call("POST", "runs/update", json=body)

    def rename_run(self, run_id: str, name: str) -> None:
        """Give a run another name."""
        self.call("POST", "runs/update", json={"run_id": run_id, "run_name": name})

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of a run; that there is none is not an error."""
        try:
            self.call("POST", "runs/delete-tag", json={"run_id": run_id, "key": key})
        except MlflowError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise

    def log_batch(
        self,
        run_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        steps: Mapping[str, int] | None = None,
    ) -> None:
        """Log metrics (each at its step, 0 by default), params and tags to a run, in batches that MLflow takes."""
        now = _now_ms()
        entries = [
            *(
                ("metrics", {"key": key, "value": _number(value), "timestamp": now, "step": (steps or {}).get(key, 0)})
                for key, value in (metrics or {}).items()
            ),
            *(("params", pair) for pair in _pairs(params or {}, PARAM_LIMIT)),
            *(("tags", pair) for pair in _pairs(tags or {}, TAG_LIMIT)),
        ]
        for start in range(0, len(entries), _BATCH):
            body: dict[str, Any] = {"run_id": run_id, "metrics": [], "params": [], "tags": []}
            for kind, entry in entries[start : start + _BATCH]:
                body[kind].append(entry)
            self.call("POST", "runs/log-batch", json=body)

    def run_url(self, *, experiment_id: str, run_id: str) -> str:
        """Return the address of a run's page."""
        return f"{self.uri}/#/experiments/{quote(experiment_id)}/runs/{quote(run_id)}"

    def model_url(self, name: str, version: str) -> str:
        """Return the address of a model version's page."""
        return f"{self.uri}/#/models/{quote(name, safe='')}/versions/{quote(version)}"

    def ask(
        self, method: str, path: str, query: Mapping[str, Any], *, key: str, read: Callable[[Mapping[str, Any]], T]
    ) -> T:
        """Return one member of an answer; as ``pages``."""
        answer = self.call(method, path, **_asked(method, query))
        with self._expected(path):
            return read(member(answer, key, dict))

    def pages(
        self, method: str, path: str, query: Mapping[str, Any], *, key: str, read: Callable[[Mapping[str, Any]], T]
    ) -> Iterator[T]:
        """Yield the members of a list, page by page.

        Args:
            method: The HTTP method.
            path: Below ``api/2.0/mlflow/``.
            query: What is asked.
            key: The list's name in the answer.
            read: Returns a member as what it is, or raises an ``OddAnswerError``.

        Raises:
            MlflowError: As ``call``; or the answer has another shape, or its pages never end.
        """
        asked, seen = dict(query), set[str]()
        while True:
            answer = self.call(method, path, **_asked(method, asked))
            with self._expected(path):
                found, token = items(answer, key, read), str(answer.get("next_page_token") or "")
                if token in seen:
                    raise OddAnswerError("its pages never end: one came again")
            yield from found
            if not token:
                return
            seen.add(token)
            asked["page_token"] = token

    def call(self, method: str, path: str, *, repeatable: bool = True, **options: Any) -> dict[str, Any]:
        """Return what a path of MLflow's REST API answers (https://mlflow.org/docs/latest/rest-api.html).

        Args:
            method: The HTTP method.
            path: Below ``api/2.0/mlflow/``.
            repeatable: Whether the request may be sent again when no answer came.
            options: What httpx takes: ``params``, ``json``.

        Raises:
            MlflowUnavailableError: MLflow does not answer.
            MlflowAuthorizationError: It refused the credentials.
            MlflowError: It refused the request, or its answer is not MLflow's.
        """
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(MlflowUnavailableError),
            stop=tenacity.stop_after_attempt(self._attempts if repeatable else 1),
            wait=tenacity.wait_exponential(multiplier=0.25, max=2),
            reraise=True,
        )
        answer: dict[str, Any] = again(self._call_once, method, path, options)
        return answer

    def _call_once(self, method: str, path: str, options: dict[str, Any]) -> dict[str, Any]:
        try:
            with self._client.stream(method, path, **options) as response, self._expected(path):
                content = content_of(response)
        except httpx.TransportError as error:
            raise MlflowUnavailableError(
                f"MLflow at {self.uri} (connection {self.server.connection!r}) does not answer: "
                f"{type(error).__name__}: {error}; start it or fix the connection's host and port"
            ) from error
        except httpx.DecodingError as error:
            raise MlflowError(f"MLflow at {self.uri} answered {path} with what cannot be unpacked: {error}") from error
        status = f"{response.status_code} {response.reason_phrase}"
        if response.status_code in (401, 403):
            said = f"; it says: {self._said(content)}" if content else ""
            raise MlflowAuthorizationError(
                f"MLflow at {self.uri} refused {path} with {status}; "
                f"fix login and password, or the token, of connection {self.server.connection!r}{said}"
            )
        if response.status_code >= 500 or response.status_code == 429:
            raise MlflowUnavailableError(f"MLflow at {self.uri} answered {path} with {status}")
        with self._expected(f"{path} with {response.status_code}"):
            answer = json_object(content)
        if response.is_error:
            raise MlflowError(
                f"MLflow refused {path} with {response.status_code}: {self._said(answer.get('message', content))}",
                code=one_line(str(answer.get("error_code", "")), 100),
            )
        return answer

    @contextmanager
    def _expected(self, path: str) -> Iterator[None]:
        """Name the server and the path in what is odd about an answer."""
        try:
            yield
        except OddAnswerError as error:
            raise MlflowError(f"{self.uri} answered {path}, and {self.server.masked(str(error))}") from error

    def _said(self, text: Any) -> str:
        """Return what MLflow says as it may stand in a message."""
        plain = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        return one_line(self.server.masked(plain))


def _experiment_id(found: Mapping[str, Any]) -> str:
    return member(found, "experiment_id", str)


def _asked(method: str, query: Mapping[str, Any]) -> dict[str, Any]:
    return {"params" if method == "GET" else "json": query}


def _pairs(values: Mapping[str, str], limit: int) -> list[dict[str, str]]:
    return [{"key": key, "value": value[:limit]} for key, value in values.items()]


def _number(value: float | str) -> float | str:
    """Return a number as protobuf's JSON has it, where NaN and infinity are text."""
    return mark(float(value)) if not math.isfinite(float(value)) else value


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
