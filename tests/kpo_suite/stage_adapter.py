"""pytest plugin: StageOperator in KubernetesPodOperator's place in upstream's ``test_pod.py``.

Two things are translated, and nothing else. A stage says with ``command`` what upstream's tests say with ``cmds`` and
``arguments``. And upstream's tests replace ``PodManager``, where a stage talks to ``Pods`` and watches: here each call
that a stage makes to the cluster goes to the replaced ``PodManager``.
"""

from __future__ import annotations

import asyncio
import inspect
import pathlib
from collections.abc import Mapping
from typing import Any

import pytest

from airflow_ml_provider import settings
from airflow_ml_provider.decisions.pods.pod_outcome import read_pod_outcome
from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.hooks.pods import Pods
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.runners.pod_runner import PodRunner
from airflow_ml_provider.runners.runner import Ended, ended_pod


class TaskState(dict[str, Any]):
    """The task's state store."""

    def set(self, key: str, value: Any, **_: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


class KubernetesPodOperator(StageOperator):
    """A stage that takes what upstream's tests give."""

    def __init__(self, **arguments: Any) -> None:
        stage = {"runner": "kubernetes", "mlflow_conn_id": None, "store": "memory://t/s", "io": "direct"}
        given = {**stage, "base_folder": "/tmp", "do_xcom_push": False, **arguments}
        cmds, args = given.pop("cmds", None), given.pop("arguments", None)
        words = [] if isinstance(cmds, str) or isinstance(args, str) else [*(cmds or []), *(args or [])]
        given.setdefault("command", words or ["true"])
        if not any(given.get(key) for key in ("image", "full_pod_spec", "pod_template_file", "pod_template_dict")):
            given["image"] = "image"
        super().__init__(**given)

    def execute(self, context: Any) -> Any:
        context["task_state_store"] = TaskState()
        return super().execute(context)


def _operator(runner: PodRunner) -> Any:
    return runner._settings.about["operator"]


class ReplacedPods(Pods):
    """``Pods`` on the ``PodManager`` that the test replaced."""

    def __init__(self, runner: PodRunner, *, namespace: str) -> None:
        super().__init__(_operator(runner).client, namespace=namespace)
        self._runner = runner
        self.remote: Any = None

    def create(self, pod: Any) -> dict[str, Any]:
        _operator(self._runner).pod = pod
        manager = _operator(self._runner).pod_manager
        manager.create_pod(pod=pod)
        _awaited(manager.await_pod_start(pod=pod))
        return {"metadata": {"name": pod.metadata.name, "uid": "uid"}}

    def read(self, name: str) -> dict[str, Any] | None:
        return None

    def delete(self, name: str, **_: Any) -> None:
        _operator(self._runner).pod_manager.delete_pod(self.remote or self._runner._pod)


def _pods(runner: PodRunner, identity: Any) -> ReplacedPods:
    if identity.namespace not in runner._namespaces:
        runner._namespaces[identity.namespace] = ReplacedPods(runner, namespace=identity.namespace)
    return runner._namespaces[identity.namespace]  # type: ignore[return-value]


def _wait(runner: PodRunner) -> Ended:
    identity, manager = runner._identity, _operator(runner).pod_manager
    assert identity is not None
    pods = _pods(runner, identity)
    try:
        pods.remote = _awaited(manager.await_pod_completion(runner._pod))
    except BaseException:
        runner._remove(identity, succeeded=False, ended=False)
        raise
    state = _state(pods.remote, container=_operator(runner).base_container_name)
    good = state.exit_code == 0 or (state.exit_code is None and state.phase == "Succeeded")
    result = StageResult("success", "1.1") if good else None
    outcome = read_pod_outcome(state, result)
    runner._end(identity, outcome, state)
    return ended_pod(outcome, result, (), state)


def _state(remote: Any, *, container: str) -> PodState:
    """Return the state of a pod that is a mock in parts."""
    status = getattr(remote, "status", None)
    phase = getattr(status, "phase", None)
    code: int | None = None
    message = ""
    statuses = getattr(status, "container_statuses", None)
    for found in statuses if isinstance(statuses, list) else ():
        if found.name == container and found.state.terminated:
            told: Mapping[str, Any] = vars(found.state.terminated)
            code = found.state.terminated.exit_code if isinstance(found.state.terminated.exit_code, int) else None
            message = text if isinstance(text := told.get("message", ""), str) else ""
    known = phase if isinstance(phase, str) else "Unknown"
    return PodState(uid="uid", phase=known, exit_code=code, termination_message=message, started_at="then")


def _awaited(value: Any) -> Any:
    async def wait() -> Any:
        return await value

    return asyncio.run(wait()) if inspect.isawaitable(value) else value


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    PodRunner._pods = _pods  # type: ignore[method-assign, assignment]
    PodRunner.wait = _wait  # type: ignore[method-assign]
    # A test replaces pathlib.Path for the whole process, and pathlib.Path is what the stage opens its files with.
    settings.Path = pathlib.PosixPath  # type: ignore[misc]
    for module in {item.module for item in items if isinstance(item, pytest.Function)}:
        module.KubernetesPodOperator = KubernetesPodOperator
