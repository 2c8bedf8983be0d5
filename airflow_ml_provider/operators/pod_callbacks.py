"""KubernetesPodOperator's callbacks around the pod of a stage.

See https://airflow.apache.org/docs/apache-airflow-providers-cncf-kubernetes/stable/operators.html#callbacks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiClient, V1Pod

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.operators.stage import StageOperator


class PodCallbacks:
    """Calls them with the pod as it is at that moment; a stage without callbacks costs nothing.

    Args:
        operator: The stage.
        context: The task's context.
    """

    def __init__(self, operator: StageOperator, context: Context) -> None:
        self._operator = operator
        self._context = context
        self._started = False

    def made(self, pod: V1Pod) -> None:
        """The pod is composed, and not created yet."""
        self._call("on_pod_manifest_created", pod_request=pod)

    def created(self, pod: Mapping[str, Any]) -> None:
        """The pod was created."""
        self._operator.pod = self._model(pod)
        self._call("on_pod_creation", pod=self._operator.pod)

    def starting(self, pod: Mapping[str, Any]) -> None:
        """The stage's container has started; told once."""
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
        if self._operator.progress is not None:
            self._operator.progress(text)
        if self._operator.callbacks and pod is not None:
            for callback in self._operator.callbacks:
                callback.progress_callback(
                    line=text,
                    client=self._operator.client,
                    mode=self._mode,
                    container_name=container,
                    timestamp=None,
                    pod=self._model(pod),
                )

    @property
    def _mode(self) -> str:
        return "async" if self._operator.deferrable else "sync"

    def _tell(self, name: str, pod: Mapping[str, Any] | None) -> None:
        if self._operator.callbacks and pod is not None:
            self._call(name, pod=self._model(pod))

    def _call(self, name: str, **given: Any) -> None:
        for callback in self._operator.callbacks:
            getattr(callback, name)(
                **given,
                client=self._operator.client,
                mode=self._mode,
                operator=self._operator,
                context=self._context,
            )

    @staticmethod
    def _model(pod: Mapping[str, Any]) -> V1Pod:
        found: V1Pod = ApiClient().deserialize(SimpleNamespace(data=json.dumps(pod)), "V1Pod")
        return found
