"""Faults: what is done to a stage in a pod, and what is expected of it."""

import signal
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from airflow_ml_provider.testing.airflow_api import wait_until

BOTH = ("sync", "deferrable")


@contextmanager
def nothing(world):
    yield


@dataclass(frozen=True)
class Fault:
    told: str
    act: Callable
    case: str = "slow"
    seconds: int = 8
    before: Callable = nothing
    modes: tuple = BOTH
    ends: str = "success"
    tries: int = 1
    pods: int | None = 1
    says: str = ""
    means: str = ""
    marked: bool = False
    reaches_others: bool = False
    every_line_once: bool = False


def leave(stage, world):
    """Do nothing: the fault is there before the stage."""


def task_process(stage):
    instance = stage.airflow.api.tasks(stage.dag, stage.run_id)["work"]["id"]
    wanted = f"airflow worker -- {instance}"
    found = [p for p in psutil.process_iter(["cmdline"]) if wanted in " ".join(p.info["cmdline"] or ())]
    assert found, f"there is no process {wanted!r}"
    return found[0]


def kill_worker(stage, world):
    stage.pod()
    process = task_process(stage)
    supervisor = process.parent()
    supervisor.kill()
    process.kill()


def mark(state):
    def act(stage, world):
        stage.pod()
        stage.wait_for_state("running", "deferred")
        stage.watch_pods()
        stage.airflow.api.mark(stage.dag, stage.run_id, "work", state)
        stage.kubernetes.wait_for_no_pods(run=stage.run_id, seconds=60)

    return act


def clear(stage, world):
    stage.pod()
    stage.wait_for_state("running", "deferred")
    stage.watch_pods()
    stage.airflow.api.clear(stage.dag, stage.run_id, "work")


def terminate_worker(stage, world):
    stage.pod()
    task_process(stage).send_signal(signal.SIGTERM)


def kill_component(name):
    def act(stage, world):
        stage.pod()
        stage.wait_for_state("deferred")
        world.kill_component(name)

    return act


def delete_pod(stage, world):
    pod = stage.pod()
    stage.watch_pods()
    stage.kubernetes.api.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace, grace_period_seconds=0)


def evict(stage, world):
    pod = stage.pod()
    stage.watch_pods()
    body = {"metadata": {"name": pod.metadata.name, "namespace": pod.metadata.namespace}}
    stage.kubernetes.api.create_namespaced_pod_eviction(pod.metadata.name, pod.metadata.namespace, body)


@contextmanager
def quota(world):
    body = {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "0"}}}
    world.kubernetes.api.create_namespaced_resource_quota(world.kubernetes.namespace, body)
    try:
        yield
    finally:
        if world.kubernetes.api.list_namespaced_resource_quota(world.kubernetes.namespace).items:
            world.kubernetes.api.delete_namespaced_resource_quota("small", world.kubernetes.namespace)


def free_quota(stage, world):
    stage.wait_for_state("running", "deferred")
    world.wait(8)
    world.kubernetes.api.delete_namespaced_resource_quota("small", world.kubernetes.namespace)


def restart_api_server(stage, world):
    stage.pod()
    world.kill_daemon("apiserver")
    world.cluster_up()


def pause_kubelet(stage, world):
    stage.pod()
    with world.paused("kubelet"):
        world.wait(6)


@contextmanager
def mlflow_down(world):
    world.mlflow_server.stop()
    try:
        yield
    finally:
        if not world.mlflow_answers():
            world.mlflow_server.start()


def mlflow_back_at_retry(stage, world):
    stage.wait_for_state("up_for_retry")
    world.mlflow_server.start()


def mlflow_away_in_the_middle(stage, world):
    stage.pod()
    world.mlflow_server.stop()
    world.wait(2)
    world.mlflow_server.start()


def mlflow_away_at_the_end(stage, world):
    stage.pod()
    stage.watch_pods()
    world.mlflow_server.stop()
    stage.wait_for_state("up_for_retry")
    world.mlflow_server.start()


def store_away_at_commit(stage, world):
    pod = stage.pod()
    stage.watch_pods()
    world.stop_store()
    try:
        wait_until(
            lambda: "is tried again" in stage.kubernetes.log(pod), what="the stage to miss its store", seconds=120
        )
    finally:
        world.start_store()


def second_run(stage, world):
    stage.pod()
    stage.watch_pods()
    other = type(stage)(stage.airflow, stage.kubernetes, stage.dag, 4)
    task = other.wait_for_end()
    assert task["state"] == "success", other.log()
    uri = stage.airflow.api.xcom(other.dag, other.run_id, "work", "model")["uri"]
    wait_until(lambda: stage.airflow.api.xcom(stage.dag, stage.run_id, "work", "model"), what="the first", seconds=120)
    assert stage.airflow.api.xcom(stage.dag, stage.run_id, "work", "model")["uri"] != uri


FAULTS = {
    "nothing": Fault("nothing", leave, case="quick"),
    "worker_killed": Fault(
        "SIGKILL of the worker",
        kill_worker,
        modes=("sync",),
        seconds=40,
        tries=2,
        says="still runs: following it",
        reaches_others=True,
        means="the next try follows the same pod",
    ),
    "worker_terminated": Fault(
        "SIGTERM of the worker",
        terminate_worker,
        modes=("sync",),
        seconds=15,
        tries=2,
        pods=2,
        says="the task was told to end",
        means="the pod dies; the next try runs another",
    ),
    "marked_failed": Fault(
        "marked failed",
        mark("failed"),
        seconds=40,
        ends="failed",
        marked=True,
        means="the pod dies with the task",
    ),
    "marked_success": Fault(
        "marked success",
        mark("success"),
        seconds=40,
        marked=True,
        means="the pod dies with the task",
    ),
    "cleared": Fault(
        "cleared while it runs",
        clear,
        seconds=15,
        tries=2,
        pods=2,
        means="the first pod dies; the second attempt has a directory of its own",
    ),
    "triggerer_killed": Fault(
        "SIGKILL of the triggerer",
        kill_component("triggerer"),
        modes=("deferrable",),
        seconds=20,
        reaches_others=True,
        means="another triggerer follows the same pod",
    ),
    "scheduler_killed": Fault(
        "SIGKILL of the scheduler",
        kill_component("scheduler"),
        modes=("deferrable",),
        seconds=20,
        reaches_others=True,
        means="another scheduler goes on with the task",
    ),
    "user_code": Fault(
        "the user's code raises",
        leave,
        case="broken",
        ends="failed",
        tries=2,
        pods=2,
        says="ValueError: the learning rate is negative [user code, exit code 1]; mend the code",
        means="the first line says what and where",
    ),
    "no_memory": Fault(
        "out of memory",
        leave,
        case="greedy",
        ends="failed",
        tries=2,
        pods=2,
        says="more memory than it may (limit 96Mi, request 96Mi) [out of memory, exit code 137]",
        means="the first line says limit and request",
    ),
    "no_node": Fault(
        "no node has room",
        leave,
        case="no_room",
        ends="failed",
        tries=2,
        pods=2,
        says="0/1 nodes are available: 1 Insufficient cpu",
        means="waits up to capacity_timeout, says why",
    ),
    "timeout": Fault(
        "the stage takes longer than its timeout",
        leave,
        case="late",
        seconds=60,
        ends="failed",
        says="imeout",
        means="the pod dies with the task",
    ),
    "pod_deleted": Fault(
        "the pod is deleted",
        delete_pod,
        pods=2,
        says="Another pod is started within this try",
        means="replaced within the try",
    ),
    "pod_evicted": Fault(
        "the pod is evicted",
        evict,
        pods=2,
        says="Another pod is started within this try",
        means="replaced within the try",
    ),
    "evicted_with_checkpoints": Fault(
        "the pod is evicted, checkpoints kept",
        evict,
        case="resuming",
        pods=2,
        says="Resumed from checkpoint",
        means="the new pod goes on where the old one was",
    ),
    "out_of_memory": Fault(
        "out of memory, max_memory given",
        leave,
        case="growing",
        pods=None,
        says="out of memory",
        means="memory is doubled within the try",
    ),
    "image_missing": Fault(
        "the image does not exist",
        leave,
        case="no_image",
        ends="failed",
        tries=2,
        pods=2,
        says="image does not exist or may not be pulled",
        means="fails in seconds, not after the startup timeout",
    ),
    "quota": Fault(
        "a quota is used up for some seconds",
        free_quota,
        case="no_quota",
        before=quota,
        says="Waiting for room",
        reaches_others=True,
        means="waits up to capacity_timeout",
    ),
    "no_rights": Fault(
        "a right is missing",
        leave,
        case="no_rights",
        ends="failed",
        pods=0,
        says="grant it: airflow-ml manifests",
        means="fails at once, names verb, resource and remedy",
    ),
    "api_server_killed": Fault(
        "SIGKILL of the API server, back in seconds",
        restart_api_server,
        seconds=15,
        reaches_others=True,
        every_line_once=True,
        means="the pod runs on, watch and log resume where they were",
    ),
    "kubelet_paused": Fault(
        "the kubelet, and with it the log, stands still for 6 s",
        pause_kubelet,
        seconds=12,
        reaches_others=True,
        every_line_once=True,
        means="waits for it; no line is lost or told twice",
    ),
    "mlflow_down_at_start": Fault(
        "MLflow is down at the start",
        mlflow_back_at_retry,
        case="slow_start",
        before=mlflow_down,
        tries=2,
        pods=1,
        says="does not answer",
        reaches_others=True,
        means="no pod before MLflow answers",
    ),
    "mlflow_down_in_the_middle": Fault(
        "MLflow is away while the stage works",
        mlflow_away_in_the_middle,
        seconds=20,
        reaches_others=True,
        means="not noticed",
    ),
    "mlflow_down_at_the_end": Fault(
        "MLflow is down at the end",
        mlflow_away_at_the_end,
        case="slow_start",
        tries=2,
        says="finished but was not delivered: taking its result",
        reaches_others=True,
        means="only the closing is retried",
    ),
    "store_down_at_commit": Fault(
        "the store is away at the commit",
        store_away_at_commit,
        case="slow_start",
        says="is tried again",
        reaches_others=True,
        means="the commit is tried again for five minutes; nothing half-written is seen",
    ),
    "two_runs": Fault("two runs at once", second_run, seconds=14, means="a directory and a pod each"),
}
