"""What an endpoint serves, kept in one object of Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from airflow_ml_provider.decisions.serving.rollout import Serving
from airflow_ml_provider.errors import ServingChangedError, StageConfigurationError
from airflow_ml_provider.hooks.cluster_errors import ConflictError, MissingError

_WRITES = 5


def serving_of(text: str | None, *, where: str) -> Serving:
    """Read what an object says.

    Args:
        text: What was kept in it.
        where: The object, as people know it.

    Raises:
        StageConfigurationError: It says something else: the object is not ours.
    """
    try:
        return Serving.from_plain(json.loads(text or ""))
    except ValueError as error:
        raise StageConfigurationError(
            f"{where} is there, and no serve stage made it: give the stage another endpoint, or delete it"
        ) from error


def kept(serving: Serving) -> str:
    """Return the text that is kept."""
    return json.dumps(serving.to_plain(), sort_keys=True)


class KeptServing:
    """Reads and changes the object; a change names the state it was made from, and Kubernetes refuses another one.

    Args:
        endpoint: The endpoint's name.
        look: Returns what is kept, and the version of the object, empty when there is none.
        put: Changes the object in a version, creates or deletes it; returns its new version.
    """

    def __init__(
        self, endpoint: str, *, look: Callable[[], tuple[Serving, str]], put: Callable[[Serving, str], str]
    ) -> None:
        self._endpoint = endpoint
        self._look = look
        self._put = put
        self._version = ""
        self._known = Serving()

    @property
    def known(self) -> Serving:
        """What was read or written here last."""
        return self._known

    def read(self) -> Serving:
        """Return what is kept.

        Raises:
            StageConfigurationError: The object is not ours.
            ClusterError: Kubernetes refused.
        """
        self._known, self._version = self._look()
        return self._known

    def write(self, serving: Serving) -> None:
        """Change it.

        Raises:
            ServingChangedError: It is not any more what was read or written here last.
            ClusterError: Kubernetes refused.
        """
        for _ in range(_WRITES):
            try:
                self._version = self._put(serving, self._version)
                self._known = serving
                return
            except (ConflictError, MissingError):
                before = self._known
                # An answer that was lost on its way, and the request came a second time.
                if self.read() == serving:
                    return
                if self._known != before:
                    break
                # Somebody changed the object, and not what is served.
        raise overtaken(self._endpoint)


def overtaken(endpoint: str) -> ServingChangedError:
    """Return the error of a run that is not alone."""
    return ServingChangedError(f"endpoint {endpoint!r}: another run changes what it serves; a retry looks anew")


def named_version(found: dict[str, Any]) -> str:
    """Return the version of an object that Kubernetes answered with."""
    return str(found["metadata"]["resourceVersion"])
