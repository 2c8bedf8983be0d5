"""KubernetesPodOperator's callbacks around the pod of a stage.

See https://airflow.apache.org/docs/apache-airflow-providers-cncf-kubernetes/stable/operators.html#callbacks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from kubernetes.client import ApiClient, V1Pod

from airflow_ml_provider.runners.pod_settings import PodSettings


class PodCallbacks:
    """Calls them with the pod as it is at that moment; a stage without callbacks costs nothing.

    What one raises before there is a pod ends the task; later it is logged, and neither the log nor the stage's work is
    lost for it.

    Args:
        settings: The pod.
        log: The task's log.
    """

    def __init__(self, settings: PodSettings, *, log: Any) -> None:
        self._settings = settings
        self._log = log
        self._started = False
        self._failed: set[str] = set()

    def made(self, pod: V1Pod) -> None:
        """The pod is composed, and not created yet."""
        for callback in self._settings.callbacks:
            callback.on_pod_manifest_created(pod_request=pod, **self._about())

    def created(self, pod: Mapping[str, Any]) -> None:
        """The pod was created."""
        made = self._model(pod)
        self._settings.created(made)
        self._call("on_pod_creation", pod=made)

    def starting(self, pod: Mapping[str, Any]) -> None:
        """The stage's container has started; called once."""
        if not self._started:
            self._started = True
            self._tell("on_pod_starting", pod)

    def completed(self, pod: Mapping[str, Any] | None) -> None:
        """The stage's container has ended, and the pod is there still."""
        self._tell("on_pod_completion", pod)
        self._tell("on_pod_teardown", pod)

    def removed(self, pod: Mapping[str, Any] | None) -> None:
        """The pod was deleted, or is kept."""
        self._tell("on_pod_cleanup", pod)

    def line(self, text: str, *, container: str, pod: Mapping[str, Any] | None) -> None:
        """A container logged a line."""
        if self._settings.logs.progress is not None:
            self.guarded("progress_callback", self._settings.logs.progress, text)
        if self._settings.callbacks and pod is not None:
            about = {"client": self._settings.client(), "mode": self._mode}
            given = {**about, "container_name": container, "timestamp": None, "pod": self._model(pod)}
            for callback in self._settings.callbacks:
                self.guarded("progress_callback", callback.progress_callback, line=text, **given)

    def guarded(self, name: str, function: Callable[..., Any], *values: Any, **given: Any) -> Any:
        """Call a function of the DAG's author; an error of it is logged the first time, and ``None`` returned."""
        try:
            return function(*values, **given)
        except Exception:  # noqa: BLE001 - code of the DAG's author may raise anything
            if name not in self._failed:
                self._failed.add(name)
                self._log.exception("%s failed; the stage goes on, and later failures of it are not logged", name)
            return None

    @property
    def _mode(self) -> str:
        return "async" if self._settings.deferrable else "sync"

    def _about(self) -> dict[str, Any]:
        return {"client": self._settings.client(), "mode": self._mode, **self._settings.about}

    def _tell(self, name: str, pod: Mapping[str, Any] | None) -> None:
        if self._settings.callbacks and pod is not None:
            self._call(name, pod=self._model(pod))

    def _call(self, name: str, **given: Any) -> None:
        for callback in self._settings.callbacks:
            self.guarded(name, getattr(callback, name), **given, **self._about())

    @staticmethod
    def _model(pod: Mapping[str, Any]) -> V1Pod:
        found: V1Pod = ApiClient().deserialize(SimpleNamespace(data=json.dumps(pod)), "V1Pod")
        return found
