"""Seconds that a task costs beyond its container's own run time, in chains of five through a real scheduler.

Each round runs every chain once, one after the other, in one Airflow (standalone, LocalExecutor, SQLite). A task's cost
is the run's duration over five, less the container's own run time as benchmarks/pod_overhead.py measures it. The goal
of a stage is EmptyOperator + floor + 0.4. Then tasks of 5, 20 and 40 s, alone in their runs: a deferrable stage is to
cost what a sync one does below ``[ml] defer_after``, and at most 2 s more than a stock deferrable task at 40 s.

Needs what benchmarks/pod_overhead.py needs.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import pod_overhead

from airflow_ml_provider.testing.airflow_api import AirflowApi
from airflow_ml_provider.testing.airflow_server import AirflowServer

CHAIN = 5
LENGTHS = (5, 20, 40)
DAGS = """
import os

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, chain

from airflow_ml_provider.operators import ContainerOperator

IMAGE, NAMESPACE, WORK = {image!r}, {namespace!r}, {work!r}
POD = {{
    "image": IMAGE,
    "namespace": NAMESPACE,
    "image_pull_policy": "IfNotPresent",
    # KubernetesPodTrigger takes a kubeconfig from an argument, and fails with one from a connection.
    "config_file": os.environ["KUBECONFIG"],
}}


def stock(task_id, seconds=1, **more):
    xcom = ["sh", "-c", f"sleep {{seconds}}; mkdir -p /airflow/xcom; echo 1 > /airflow/xcom/return.json"]
    return KubernetesPodOperator(
        task_id=task_id, cmds=xcom, do_xcom_push=True, security_context={{"runAsUser": 0}}, **POD, **more
    )


def stage(task_id, seconds=1, **more):
    return ContainerOperator(
        task_id=task_id,
        command=["sleep", str(seconds)],
        io="direct",
        runner="kubernetes",
        mlflow_conn_id=None,
        env_vars={env!r},
        **POD,
        **more,
    )


MAKE = {{
    "empty": lambda name: EmptyOperator(task_id=name),
    "stock_sync": stock,
    "stock_tuned": lambda name: KubernetesPodOperator(
        task_id=name, cmds=WORK, startup_check_interval_seconds=0.25, **POD
    ),
    "stock_deferrable": lambda name, *given: stock(name, *given, deferrable=True),
    "stage_sync": stage,
    "stage_deferrable": lambda name, *given: stage(name, *given, deferrable=True),
}}
for key, make in MAKE.items():
    with DAG(key, schedule=None) as dag:
        chain(*[make(f"t{{number}}") for number in range({chain})])
    globals()[key] = dag
    if key in {alone!r}:
        for seconds in {lengths!r}:
            with DAG(f"{{key}}_{{seconds}}", schedule=None) as dag:
                make("t0", seconds)
            globals()[dag.dag_id] = dag
"""
CHAINS = {
    "empty": "EmptyOperator",
    "stock_sync": "KubernetesPodOperator, XCom",
    "stock_tuned": "KubernetesPodOperator, tuned",
    "stock_deferrable": "KubernetesPodOperator, deferrable, XCom",
    "stage_sync": "StageOperator",
    "stage_deferrable": "StageOperator, deferrable",
}
ALONE = ("stock_deferrable", "stage_sync", "stage_deferrable")


def seconds_a_task(api: AirflowApi, dag: str, *, tasks: int = CHAIN) -> float:
    """Run a chain and return its duration over its length."""
    run = api.trigger(dag)
    state = api.wait_for_run(dag, run, seconds=400)
    assert state == "success", api.log(dag, run, "t0")
    found: dict[str, Any] = api.get(f"/dags/{dag}/dagRuns/{run}")
    begun, ended = (dt.datetime.fromisoformat(found[key].replace("Z", "+00:00")) for key in ("start_date", "end_date"))
    return (ended - begun).total_seconds() / tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    reached = os.environ.get("ML_TEST_POD_ENDPOINT", os.environ.get("AWS_ENDPOINT_URL", ""))
    env = {key: os.environ[key] for key in pod_overhead.KEYS if key in os.environ} | {"AWS_ENDPOINT_URL": reached}
    with tempfile.TemporaryDirectory() as folder:
        dags = Path(folder, "dags")
        dags.mkdir()
        text = DAGS.format(
            image=pod_overhead.IMAGE,
            namespace=pod_overhead.NAMESPACE,
            work=pod_overhead.WORK,
            env=env,
            chain=CHAIN,
            alone=ALONE,
            lengths=LENGTHS,
        )
        (dags / "chains.py").write_text(text, encoding="utf-8")
        connection = {"conn_type": "kubernetes", "extra": {"xcom_sidecar_container_image": "busybox:stable"}}
        variables = {
            "AIRFLOW__ML__STORE": pod_overhead.STORE,
            "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(connection),
        }
        stored = {key: os.environ[key] for key in pod_overhead.KEYS if key in os.environ}
        server = AirflowServer(home=Path(folder, "home"), dags_folder=dags, environment={**variables, **stored})
        taken: dict[str, list[float]] = {key: [] for key in CHAINS}
        longer: dict[tuple[str, int], list[float]] = {(key, length): [] for length in LENGTHS for key in ALONE}
        floors, owns = [], []
        with server as api:
            for key in (*CHAINS, *(f"{key}_{length}" for key, length in longer)):
                api.wait_for_dag(key)
            for _ in range(repeats):
                floors.append(pod_overhead.floor())
                _, pod = pod_overhead.stage("direct")
                owns.append(pod_overhead.created_and_watched(pod_overhead.again(pod)) - pod_overhead.floor())
                for key in CHAINS:
                    taken[key].append(seconds_a_task(api, key))
                for (key, length), found in longer.items():
                    found.append(seconds_a_task(api, f"{key}_{length}", tasks=1) - length)
    report(taken, floor=statistics.median(floors), own=statistics.median(owns), repeats=repeats)
    print(f"{'a task alone, seconds beyond its work':<42} {'median':>7} {'min':>7} {'max':>7}")
    for (key, length), found in longer.items():
        median = statistics.median(found)
        print(f"{CHAINS[key] + f', {length} s':<42} {median:>7.2f} {min(found):>7.2f} {max(found):>7.2f}")


def report(taken: dict[str, list[float]], *, floor: float, own: float, repeats: int) -> None:
    """Print what a task of each chain costs."""
    own_of = {"empty": 0.0, "stage_sync": own, "stage_deferrable": own}
    costs = {key: statistics.median(found) - own_of.get(key, 1.0) for key, found in taken.items()}
    shipped = costs["stock_sync"]
    print(f"floor {floor:.2f} s, own run time of a stage's container {own:.2f} s, {repeats} repeats")
    print(f"{'seconds a task beyond it':<42} {'median':>7} {'min':>7} {'max':>7} {'x stock':>8} {'-empty-floor':>12}")
    for key, name in CHAINS.items():
        less = own_of.get(key, 1.0)
        low, high = min(taken[key]) - less, max(taken[key]) - less
        rest = "" if key == "empty" else f"{costs[key] - costs['empty'] - floor:.2f}"
        print(f"{name:<42} {costs[key]:>7.2f} {low:>7.2f} {high:>7.2f} {costs[key] / shipped:>8.2f} {rest:>12}")


if __name__ == "__main__":
    main()
