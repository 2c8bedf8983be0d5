"""A worker's side of the study's door."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any

from airflow_ml_provider.artifacts.layout import RESULT, join
from airflow_ml_provider.artifacts.objects import read_object
from airflow_ml_provider.protocol.staged import STEP_VARIABLE
from airflow_ml_provider.protocol.tune import WORKER, WORKER_VARIABLE
from airflow_ml_provider.runtime.stages.tune.server import ADDRESS

GONE_SECONDS = 120.0
"""How long a study may be out of reach before its worker gives up."""
COMING_SECONDS = 300.0
"""How long a worker waits for its study to begin."""
_ANSWER_SECONDS = 60.0
_ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
_SHOWN_BYTES = 500


def worker_name() -> str:
    """Return a name for a worker that no other has; host names are shared where pods use their node's network."""
    return f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"


def worker_variables() -> Mapping[str, str]:
    """Return what makes a process a worker of a study."""
    return {STEP_VARIABLE: WORKER, WORKER_VARIABLE: worker_name()}


class StudyGoneError(Exception):
    """The study does not answer any more, or never began."""


class StudyAnswerError(Exception):
    """The study answered something that is not an answer to the question: an error, or no JSON."""


class StudyClient:
    """Asks the study of an attempt.

    Args:
        attempt_uri: The attempt's folder in the store.

    Attributes:
        worker: This worker's name.
    """

    def __init__(self, attempt_uri: str) -> None:
        self._attempt_uri = attempt_uri
        self._url = self._token = ""
        self.worker = os.environ.pop(WORKER_VARIABLE, "") or worker_name()

    def find(self) -> None:
        """Wait for the study to begin.

        Raises:
            StudyGoneError: It did not.
            StoreUnavailableError: The store does not answer.
        """
        deadline = time.monotonic() + COMING_SECONDS
        while True:
            try:
                address = json.loads(read_object(join(self._attempt_uri, ADDRESS)))
            except FileNotFoundError:
                if time.monotonic() > deadline:
                    raise StudyGoneError(f"no study began below {self._attempt_uri}") from None
                time.sleep(0.5)
            else:
                self._url, self._token = address["url"], address["token"]
                return

    def is_over(self) -> bool:
        """Whether the study left its result."""
        try:
            read_object(join(self._attempt_uri, RESULT))
        except FileNotFoundError:
            return False
        return True

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """Return what the study answers.

        Raises:
            StudyGoneError: It does not answer.
            StudyAnswerError: It answers with an error, or not with a JSON object.
        """
        request = urllib.request.Request(  # noqa: S310 - the address is our own
            f"{self._url}/{method}",
            data=json.dumps({"worker": self.worker, **values}).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        # A proxy for the world outside does not know pods.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline: float | None = None
        while True:
            try:
                with opener.open(request, timeout=_ANSWER_SECONDS) as response:
                    return _answer(response.read(_ANSWER_LIMIT_BYTES), method=method)
            except urllib.error.HTTPError as error:
                said = error.read(_SHOWN_BYTES).decode(errors="replace")
                raise StudyAnswerError(f"the study answered {method!r} with {error.code}: {said}") from error
            except (OSError, http.client.HTTPException) as error:
                deadline = deadline or time.monotonic() + GONE_SECONDS
                if time.monotonic() > deadline or self.is_over():
                    raise StudyGoneError(f"the study at {self._url} does not answer: {error}") from error
                time.sleep(0.5)


def _answer(body: bytes, *, method: str) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        said = body[:_SHOWN_BYTES].decode(errors="replace")
        raise StudyAnswerError(f"the study answered {method!r} with something that is not a JSON object: {said!r}")
    return answer
