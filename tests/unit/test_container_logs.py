"""What containers next to the stage's own said, of a pod whose log a triggerer has followed."""

import logging
from types import SimpleNamespace

import pytest

from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.errors import ClusterForbiddenError, ClusterUnavailableError
from airflow_ml_provider.runners.container_logs import ContainerLogs
from airflow_ml_provider.runners.pod_settings import ContainerLogSettings

POD = {"spec": {"initContainers": [{"name": "prep"}], "containers": [{"name": "base"}, {"name": "side"}]}}
FAILED = PodState("u", "Failed", failed_init="prep", init_failure="init container 'prep' failed")


class Pods:
    """A namespace with one pod; an exception is what the API server answers."""

    namespace = "ml"

    def __init__(self, *, pod=POD, lines=("one", "two")):
        self._pod, self._lines = pod, lines

    def read(self, name):
        return answer(self._pod)

    def last_lines(self, name, *, container, count):
        return [f"{container} {line}" for line in answer(self._lines)]


def answer(value):
    if isinstance(value, Exception):
        raise value
    return value


@pytest.fixture
def shown(caplog):
    """Show the logs, and return what was logged, and the tail."""

    def show(pods, state, *, containers=None, init=None):
        settings = ContainerLogSettings(containers=containers, init_containers=init)
        callbacks = SimpleNamespace(line=lambda *_, **__: None)
        logs = ContainerLogs(
            pods, "p", settings=settings, container="base", callbacks=callbacks, log=logging.getLogger("stage")
        )
        with caplog.at_level(logging.INFO):
            logs.show(state)
        return [record.getMessage() for record in caplog.records], logs.tail

    return show


def test_what_was_asked_for_is_shown_once(shown):
    told, _ = shown(Pods(), PodState("u", "Succeeded"), containers=True, init=True)
    assert told == ["[prep] prep one", "[prep] prep two", "[side] side one", "[side] side two"]


@pytest.mark.parametrize("init", [None, True])
def test_an_init_container_that_failed_is_shown_once_whether_it_was_asked_for_or_not(shown, init):
    told, tail = shown(Pods(), FAILED, init=init)
    assert (told, tail) == (["[prep] prep one", "[prep] prep two"], ["prep one", "prep two"])


def test_nothing_is_asked_of_the_cluster_where_nothing_is_wanted(shown):
    assert shown(Pods(pod=AssertionError("asked")), PodState("u", "Succeeded")) == ([], [])


@pytest.mark.parametrize(
    ("pods", "says"),
    [
        (Pods(pod=ClusterUnavailableError("the API server is away")), "cannot be shown: the API server is away"),
        (Pods(pod=ClusterForbiddenError("no get pods")), "cannot be shown: no get pods"),
        (Pods(lines=ClusterForbiddenError("no get pods/log")), "'prep' cannot be shown: no get pods/log"),
        (Pods(pod=None), None),
    ],
)
def test_a_log_that_cannot_be_read_costs_no_finished_stage(shown, pods, says):
    told, tail = shown(pods, FAILED, init=True)
    assert tail == []
    assert told == [] if says is None else says in told[0]
