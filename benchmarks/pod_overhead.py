"""Seconds that a stage in a pod costs beyond its own work, without a scheduler, side by side.

Work is one second of ``sleep`` in the same image. ``floor`` creates a pod and watches it to its end with the plain
client. KubernetesPodOperator runs as shipped with an XCom, and tuned (a startup check each 0.25 s, no XCom). A stage's
own work is what its runtime measured, so the start of its interpreter counts as overhead, and so does loading the
client of the store and writing the result to it.

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
        "extra": {"kube_config_path": os.environ["KUBECONFIG"], "xcom_sidecar_container_image": IMAGE},
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


def floor() -> float:
    """Create a pod and watch it to its end."""
    from kubernetes import client, config, watch

    api = client.CoreV1Api(config.new_client_from_config())
    name = f"floor-{uuid.uuid4().hex[:10]}"
    container = {"name": "base", "image": IMAGE, "command": WORK, "imagePullPolicy": "IfNotPresent"}
    started = time.monotonic()
    api.create_namespaced_pod(
        NAMESPACE, {"metadata": {"name": name}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    )
    for event in watch.Watch().stream(
        api.list_namespaced_pod, NAMESPACE, field_selector=f"metadata.name={name}", timeout_seconds=60
    ):
        if event["object"].status.phase in ("Succeeded", "Failed"):
            break
    seconds = time.monotonic() - started
    api.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)
    return seconds - 1.0


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


def ours() -> float:
    """Run a StageOperator."""
    from airflow_ml_provider.operators import ContainerOperator

    reached = os.environ.get("ML_TEST_POD_ENDPOINT", os.environ.get("AWS_ENDPOINT_URL", ""))
    values = {key: os.environ[key] for key in KEYS if key in os.environ} | {"AWS_ENDPOINT_URL": reached}
    operator = ContainerOperator(
        task_id="work",
        command=WORK,
        image=IMAGE,
        runner="kubernetes",
        store=STORE,
        mlflow_conn_id=None,
        namespace=NAMESPACE,
        image_pull_policy="IfNotPresent",
        env_vars=values,
    )
    worked: list[float] = []
    operator.accept = lambda _context, result: worked.append(result.seconds)  # type: ignore[method-assign]
    started = time.monotonic()
    operator.execute(context())
    return time.monotonic() - started - worked[0]


VARIANTS: dict[str, Callable[[], float]] = {
    "floor: create and watch": floor,
    "KubernetesPodOperator, XCom": lambda: stock(tuned=False),
    "KubernetesPodOperator, tuned": lambda: stock(tuned=True),
    "StageOperator": ours,
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
