"""What is done to a stage in a pod while it runs."""

import signal
from contextlib import contextmanager

import psutil

from airflow_ml_provider.testing.airflow_api import wait_until
from tests.live.task_process import TooLateError, caught, hears_sigterm, task_process, wait_for_the_deferring_process


@contextmanager
def nothing(world):
    yield


def leave(stage, world):
    """Do nothing: the fault is there before the stage."""


def kill(process):
    supervisor = process.parent()
    supervisor.kill()
    process.kill()


def kill_worker(stage, world):
    stage.pod()
    kill(task_process(stage))


def kill_before_it_defers(stage, world):
    kill(caught(stage, world, when=lambda process: stage.kubernetes.pods(run=stage.run_id)))


def kill_while_it_resumes(stage, world):
    stage.watch_pods()
    wait_for_the_deferring_process(stage)
    kill(caught(stage, world, when=hears_sigterm))


def terminate_before_it_defers(stage, world):
    process = caught(stage, world, when=lambda process: stage.kubernetes.pods(run=stage.run_id))
    stage.watch_pods()
    process.send_signal(signal.SIGTERM)
    process.resume()
    psutil.wait_procs([process], timeout=60)
    ends = ("received SIGTERM", "Pausing task as DEFERRED")
    wait_until(lambda: any(end in stage.log() for end in ends), what=f"how {stage.dag} ended", seconds=60)
    if ends[0] not in stage.log():
        raise TooLateError(f"{stage.dag} had deferred before it was told to end")


def terminate_while_it_resumes(stage, world):
    wait_for_the_deferring_process(stage)
    stage.watch_pods()
    process = caught(stage, world, when=hears_sigterm)
    process.send_signal(signal.SIGTERM)
    process.resume()


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


def freeze_log(stage, world):
    stage.pod()
    with world.api_proxy.frozen_logs():
        stage.wait_for_end()


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
