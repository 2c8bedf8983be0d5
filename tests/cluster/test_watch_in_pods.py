"""A dataset predicted by pods, one of which is killed, and watched with Evidently."""

import fsspec
import pandas as pd

from airflow_ml_provider.testing.airflow_api import wait_until

DAG = "watched"


def test_every_row_is_predicted_once_though_a_worker_is_killed_and_evidently_sees_the_drift(
    airflow, kubernetes, mlflow, bucket
):
    airflow.api.wait_for_dag(DAG)
    run = airflow.api.trigger(DAG, conf={"shift": 3.0})
    workers = lambda: [  # noqa: E731
        pod for pod in kubernetes.pods(run=run, stage="predict") if "airflow-ml/worker" in pod.metadata.labels
    ]
    wait_until(lambda: len(workers()) == 2, what="two workers", seconds=180)
    victim = workers()[0].metadata.name
    kubernetes.api.delete_namespaced_pod(victim, kubernetes.namespace, grace_period_seconds=0)
    assert airflow.api.wait_for_run(DAG, run, seconds=240) == "success", airflow.api.log(DAG, run, "predict")
    files = fsspec.filesystem("s3")
    found = files.glob(f"{airflow.api.xcom(DAG, run, 'predict', 'predictions')['uri']}/*.parquet")
    table = pd.concat([pd.read_parquet(files.open(path)) for path in found])
    assert sorted(table["id"]) == list(range(1200))
    drift = airflow.api.xcom(DAG, run, "monitor", "drift")
    assert "x" in drift["drifted"]
    report = airflow.api.xcom(DAG, run, "monitor", "report")["uri"]
    assert files.size(f"{report}/evidently.html") > 100_000
    assert "Wasserstein" in files.cat(f"{report}/drift.md").decode()
    assert airflow.api.xcom(DAG, run, "monitor", "alarm")["told"] is True
    kubernetes.wait_for_no_pods(run=run)
