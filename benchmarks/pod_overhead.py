"""Seconds that a stage in a pod costs beyond its container's own run time, without a scheduler, side by side.

Work is one second of ``sleep`` in the same image. ``floor`` creates a pod and watches it to its end with the plain
client. KubernetesPodOperator runs as shipped with an XCom, and tuned (a startup check each 0.25 s, no XCom). The
container of a stage does more than its work: it starts an interpreter, loads the client of the store and writes to it.
What it takes is measured by creating and watching the very same pod with the plain client in the same round.

Needs KUBECONFIG, ML_TEST_IMAGE (the image of docker/stage) and ML_TEST_STORE, a store that pods reach, with the
variables of its keys, which are put into the pod. Figures are medians of interleaved repeats.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import time
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

IMAGE = os.environ["ML_TEST_IMAGE"]
STORE = os.environ["ML_TEST_STORE"]
KEYS = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
NAMESPACE = os.environ.get("ML_TEST_NAMESPACE", "default")
WORK = ["sleep", "1"]

os.environ["AIRFLOW_CONN_KUBERNETES_DEFAULT"] = json.dumps(
    {
        "conn_type": "kubernetes",
        "extra": {
            "kube_config_path": os.environ["KUBECONFIG"],
            "xcom_sidecar_container_image": "busybox:stable",
        },
    }
)


class Memory(dict):
    """A task state store."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        self[key] = value

    def delete(self, key: str) -> None:
        """Drop a value."""
        self.pop(key, None)


def context() -> dict[str, Any]:
    """Return what an operator asks of a task's context."""
    run = f"bench__{uuid.uuid4().hex}"
    instance = SimpleNamespace(
        dag_id="bench",
        task_id="work",
        run_id=run,
        map_index=-1,
        try_number=1,
        start_date=None,
        xcom_push=lambda **_: None,
    )
    dag = SimpleNamespace(fileloc=__file__, tasks=[])
    return {"ti": instance, "dag": dag, "run_id": run, "task_state_store": Memory()}


def created_and_watched(pod: dict[str, Any]) -> float:
    """Create a pod, watch it to the end of its container, and return how long that took."""
    from kubernetes import client, config, watch

    api = client.CoreV1Api(config.new_client_from_config())
    name = pod["metadata"]["name"]
    started = time.monotonic()
    api.create_namespaced_pod(NAMESPACE, pod)
    for event in watch.Watch().stream(
        api.list_namespaced_pod, NAMESPACE, field_selector=f"metadata.name={name}", timeout_seconds=60
    ):
        states = event["object"].status.container_statuses or ()
        ended = [state.state.terminated for state in states if state.name == "base"]
        # The pod's phase follows up to a second later.
        if ended and ended[0] is not None:
            assert ended[0].exit_code == 0, name
            break
    seconds = time.monotonic() - started
    api.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)
    return seconds


def floor() -> float:
    """Create and watch a pod that does the work and nothing else."""
    container = {"name": "base", "image": IMAGE, "command": WORK, "imagePullPolicy": "IfNotPresent"}
    spec = {"restartPolicy": "Never", "containers": [container]}
    return created_and_watched({"metadata": {"name": f"floor-{uuid.uuid4().hex[:10]}"}, "spec": spec}) - 1.0


def stock(*, tuned: bool) -> float:
    """Run KubernetesPodOperator."""
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

    xcom = ["sh", "-c", "sleep 1; mkdir -p /airflow/xcom; echo '{}' > /airflow/xcom/return.json"]
    operator = KubernetesPodOperator(
        task_id="work",
        image=IMAGE,
        cmds=WORK if tuned else xcom,
        namespace=NAMESPACE,
        image_pull_policy="IfNotPresent",
        do_xcom_push=not tuned,
        security_context={} if tuned else {"runAsUser": 0},
        **({"startup_check_interval_seconds": 0.25} if tuned else {}),
    )
    started = time.monotonic()
    operator.execute(context())
    return time.monotonic() - started - 1.0


def stage(io: str) -> tuple[float, dict[str, Any]]:
    """Run a StageOperator; returns how long it took, and the pod it created."""
    from kubernetes.client import ApiClient

    from airflow_ml_provider.hooks.pods import Pods
    from airflow_ml_provider.operators import ContainerOperator

    reached = os.environ.get("ML_TEST_POD_ENDPOINT", os.environ.get("AWS_ENDPOINT_URL", ""))
    values = {key: os.environ[key] for key in KEYS if key in os.environ} | {"AWS_ENDPOINT_URL": reached}
    operator = ContainerOperator(
        task_id="work",
        command=WORK,
        image=IMAGE,
        io=io,
        io_image=IMAGE,
        runner="kubernetes",
        store=STORE,
        mlflow_conn_id=None,
        namespace=NAMESPACE,
        image_pull_policy="IfNotPresent",
        env_vars=values,
    )
    pods: list[Any] = []
    create = Pods.create
    Pods.create = lambda self, pod: (pods.append(pod), create(self, pod))[1]  # type: ignore[method-assign]
    started = time.monotonic()
    try:
        operator.execute(context())
    finally:
        Pods.create = create  # type: ignore[method-assign]
    return time.monotonic() - started, ApiClient().sanitize_for_serialization(pods[0])


def again(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the same pod under another name, for an attempt of its own."""
    text, name = json.dumps(pod), pod["metadata"]["name"]
    run = pod["metadata"]["annotations"]["airflow-ml/dag-run"]
    fresh: dict[str, Any] = json.loads(text.replace(run, f"bench__{uuid.uuid4().hex}"))
    fresh["metadata"]["name"] = f"{name[:40].rstrip('-')}-{uuid.uuid4().hex[:8]}"
    return fresh


def stage_overhead(io: str) -> float:
    """Return what a StageOperator takes beyond its pod's own run time."""
    seconds, pod = stage(io)
    own = created_and_watched(again(pod)) - (floor())
    return seconds - own


VARIANTS: dict[str, Callable[[], float]] = {
    "floor: create and watch": floor,
    "KubernetesPodOperator, XCom": lambda: stock(tuned=False),
    "KubernetesPodOperator, tuned": lambda: stock(tuned=True),
    "StageOperator": lambda: stage_overhead("direct"),
    "StageOperator, staged": lambda: stage_overhead("staged"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    logging.disable(logging.CRITICAL)
    for variant in VARIANTS.values():
        variant()
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(repeats):
        for name, variant in VARIANTS.items():
            seconds[name].append(variant())
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    shipped = medians["KubernetesPodOperator, XCom"]
    print(f"{'seconds beyond the work':<30} {'median':>7} {'min':>7} {'max':>7} {'x stock':>8}   ({repeats} repeats)")
    for name, found in seconds.items():
        print(f"{name:<30} {medians[name]:>7.2f} {min(found):>7.2f} {max(found):>7.2f} {medians[name] / shipped:>8.2f}")


if __name__ == "__main__":
    main()
