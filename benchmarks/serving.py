"""Requests lost while a model takes over and while one is put back, and what a promotion costs that changes nothing.

On a cluster (KUBECONFIG, and an MLflow server that is started here): servers that answer at once, promoted in steps of
50 and 100 percent under 50 requests a second, half of them on connections that are kept; then a promotion whose guard
does not hold; then one of what serves already. The machinery is that of tests/live/promoter.py.

    KUBECONFIG=... ML_TEST_IMAGE=... python benchmarks/serving.py --repeats 5
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

from kubernetes import client, config
from mlflow import MlflowClient  # noqa: TID253

sys.path.insert(0, str(Path(__file__).parent.parent))

from airflow_ml_provider.cli.admin.manifests import manifests
from airflow_ml_provider.testing.mlflow_server import MlflowServer
from tests.live.kubernetes import Kubernetes
from tests.live.promoter import Place, deployment_target, promote, run
from tests.live.traffic import Traffic

NAME = "served"
REFUSED = 1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rate", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, MlflowServer(Path(folder) / "mlflow") as mlflow, namespace() as name:
        os.environ["AIRFLOW_HOME"] = folder
        os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"] = json.dumps({"conn_type": "mlflow", "host": mlflow.uri})
        registry = MlflowClient(mlflow.uri)
        registry.create_registered_model(NAME)
        made = registry.create_run("0").info
        for _ in (1, 2):
            registry.create_model_version(NAME, f"{made.artifact_uri}/model", run_id=made.run_id)
        place = Place(os.environ["KUBECONFIG"], name, os.environ["ML_TEST_IMAGE"], NAME)
        measure(place, repeats=given.repeats, rate=given.rate)


def measure(place: Place, *, repeats: int, rate: int) -> None:
    """Promote back and forth."""
    core = client.CoreV1Api(config.new_client_from_config(place.kubeconfig))
    ended(place, "1", None)
    address = core.read_namespaced_service(NAME, place.namespace).spec.cluster_ip
    serves, other, nothing = "1", "2", []
    for what in ("taking over", "putting back"):
        answers, lost, seconds = 0, {}, []
        for _ in range(repeats):
            with Traffic(f"http://{address}", body={}, rate=rate) as traffic:
                time.sleep(2)
                started = time.monotonic()
                ended(place, other, 100 if what == "putting back" else None)
                seconds.append(time.monotonic() - started)
                # Until what receives SIGTERM has ended.
                time.sleep(20)
            answers += sum(traffic.answers.values())
            lost |= traffic.lost
            if what == "taking over":
                serves, other = other, serves
        took = f"{statistics.median(seconds):.1f} s a promotion"
        print(f"{what:<12} {repeats} times, {answers} requests, {sum(lost.values())} lost {lost or ''} ({took})")
    for _ in range(max(5, repeats)):
        target = deployment_target(place)
        started = time.monotonic()
        assert promote(target, NAME, serves) is False
        nothing.append(time.monotonic() - started)
    print(f"served already: {statistics.median(nothing):.2f} s, the longest {max(nothing):.2f} s")


def ended(place: Place, version: str, refuse_at: int | None) -> None:
    """Promote in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=run, args=(place, version, 0, refuse_at, False))
    process.start()
    process.join(300)
    assert process.exitcode == (0 if refuse_at is None else REFUSED), process.exitcode


@contextmanager
def namespace():
    """Yield a new namespace, as the manifests make it."""
    name = f"ml-bench-{uuid.uuid4().hex[:6]}"
    live = Kubernetes(Path(os.environ["KUBECONFIG"]), name)
    live.apply(manifests(name, uses=["stages", "serving"]))
    try:
        yield name
    finally:
        live.delete_namespace()


if __name__ == "__main__":
    main()
