"""Writes tests/upgrade/COMMIT anew: what this version leaves behind and a later one must read.

It is not collected by default. With a cluster: ``python -m pytest tests/cluster/record_upgrade.py``; what it wrote is
committed once and never changed.
"""

import io
import json
import sqlite3
import subprocess
import sys
import tarfile

import fsspec
import httpx
from kubernetes import client

from airflow_ml_provider.testing.airflow_api import wait_until
from demo.loop import FLIGHT
from tests.cluster.conftest import ROOT
from tests.cluster.test_kserve import kserve, promoter
from tests.cluster.test_loop_in_pods import approved

__all__ = ["kserve", "promoter"]

ENDPOINT = "flight-loop"
DUMP = """\
import json, sys
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.models.crypto import get_fernet
from airflow.utils.session import create_session
from sqlalchemy import select
with create_session() as session:
    waiting = {found.trigger_id: found for found in session.scalars(select(TaskInstance)) if found.trigger_id}
    triggers = []
    for row in session.scalars(select(Trigger)):
        task = waiting.get(row.id)
        triggers.append({
            "classpath": row.classpath,
            # Not all ways in encrypt them.
            "kwargs": row.encrypted_kwargs
            if row.encrypted_kwargs.startswith("{")
            else get_fernet().decrypt(row.encrypted_kwargs.encode()).decode(),
            "task": task and f"{task.dag_id}.{task.task_id}",
            "next_method": task and task.next_method,
            "next_kwargs": task and task.next_kwargs,
        })
    dags = {row.dag_id: row.data for row in session.scalars(select(SerializedDagModel))}
json.dump({"triggers": triggers, "serialized_dags": dags}, sys.stdout, default=repr)
"""


def rows(airflow):
    """Return what Airflow's database holds of ours."""
    done = subprocess.run(
        [sys.executable, "-c", DUMP], env=airflow.server.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    with sqlite3.connect(airflow.server.home / "airflow.db") as database:
        for table in ("task_state_store", "asset_state_store"):
            cursor = database.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            found[table] = [dict(zip(names, row, strict=True)) for row in cursor]
    return found


def plain(kubernetes, found):
    return kubernetes.api.api_client.sanitize_for_serialization(found)


def test_record(airflow, kubernetes, bucket, mlflow, pod_mlflow, kserve, promoter):
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    folder = ROOT / "tests" / "upgrade" / commit
    folder.mkdir(parents=True)
    # What pods write is seen only where no listing is kept.
    files = fsspec.filesystem("s3", use_listings_cache=False)

    files.pipe_file(f"{bucket}/arrivals/2013/a.csv", b"a")
    files.pipe_file(f"{bucket}/arrivals/2013/b.csv", b"b")
    airflow.api.wait_for_dag("arrivals")

    def arrived():
        return [run["state"] for run in airflow.api.get("/dags/arrivals/dagRuns")["dag_runs"]]

    wait_until(lambda: "success" in arrived(), what="a run of the source", seconds=120)
    for _ in range(2):
        assert airflow.run("cached_sync", lines=4)[1] == "success"

    # A study that was cut short: its trials are there, and its task is to be tried again.
    airflow.api.wait_for_dag("tuned")
    run = airflow.api.trigger("tuned", conf={"seconds": 2})
    trials = f"{bucket}/store/tuned/*/search/-1/*/_trials/*.json"
    wait_until(lambda: len(files.glob(trials)) >= 3, what="three trials", seconds=150)
    search = next(pod for pod in kubernetes.pods(run=run) if "airflow-ml/worker" not in pod.metadata.labels)
    variables = {
        found.name: found.value for container in search.spec.containers for found in container.env if found.value
    }
    (folder / "study_request.json").write_text(variables["AIRFLOW_ML_REQUEST"])

    # Deferred tasks and watchers, as they wait.
    slow = airflow.api.trigger("slow_deferrable", conf={"seconds": 60})
    wait_until(lambda: airflow.api.tasks("slow_deferrable", slow)["work"]["state"] == "deferred", what="it", seconds=90)
    (folder / "airflow.json").write_text(json.dumps(rows(airflow), indent=1, sort_keys=True))
    airflow.api.mark("tuned", run, "search", "failed")
    kubernetes.wait_for_no_pods(run=run, seconds=90)

    first = airflow.api.trigger("flight_loop", conf={"data": f"s3://{bucket}/flights/flights-2013-0[1-3].csv"})
    airflow.api.wait_for_dag("flight_loop")
    approved(airflow, first)
    service = kubernetes.api.read_namespaced_service(ENDPOINT, kubernetes.namespace)
    for _ in range(20):
        asked = {"dataframe_records": [FLIGHT]}
        httpx.post(f"http://{service.spec.cluster_ip}/invocations", json=asked, timeout=30).raise_for_status()
    apps = client.AppsV1Api(kubernetes.api.api_client)
    deployments = apps.list_namespaced_deployment(kubernetes.namespace).items
    endpoint = {
        "service": plain(kubernetes, service),
        "deployments": [plain(kubernetes, each) for each in deployments if each.metadata.name.startswith(ENDPOINT)],
    }
    requests = f"{bucket}/store/_requests/{ENDPOINT}/*/*"
    wait_until(lambda: files.glob(requests), what="logged requests", seconds=90)

    promote, _ = promoter("kept", (100,))
    assert promote("1") == 0
    config_map = kubernetes.api.read_namespaced_config_map("kept-serving", kubernetes.namespace)
    kept = {"config_map": plain(kubernetes, config_map), "inference_service": kserve.get("kept")}
    (folder / "endpoints.json").write_text(
        json.dumps({"deployment": endpoint, "kserve": kept}, indent=1, sort_keys=True)
    )

    with tarfile.open(folder / "store.tar.xz", "w:xz", preset=9) as archive:
        for path in sorted(files.find(f"{bucket}/store") + files.find(f"{bucket}/arrivals")):
            content = files.cat_file(path)
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    facts = {"bucket": bucket, "namespace": kubernetes.namespace, "runs": {"tuned": run, "flight_loop": first}}
    (folder / "facts.json").write_text(json.dumps(facts, indent=1))
