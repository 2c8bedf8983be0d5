"""A study and its workers as pods: found, lost and stopped."""

import json

import pytest
from kubernetes import client

from airflow_ml_provider.testing.airflow_api import wait_until

DAG = "tuned"


def workers(kubernetes, run):
    return [pod for pod in kubernetes.pods(run=run) if "airflow-ml/worker" in pod.metadata.labels]


def trials(mlflow, run):
    return mlflow.runs(DAG, run)["trial"]


def begun(airflow, **conf):
    airflow.api.wait_for_dag(DAG)
    return airflow.api.trigger(DAG, conf=conf)


@pytest.fixture
def jobs(kubernetes):
    """The Jobs of a run."""
    batch = client.BatchV1Api(kubernetes.api.api_client)
    return lambda run: [
        job
        for job in batch.list_namespaced_job(kubernetes.namespace).items
        if job.metadata.annotations["airflow-ml/dag-run"] == run
    ]


def test_the_best_params_flow_into_the_next_stage_and_a_killed_workers_trial_is_tried_again(
    airflow, kubernetes, mlflow, jobs
):
    run = begun(airflow, seconds=2)
    wait_until(lambda: len(workers(kubernetes, run)) == 2, what="two workers", seconds=120)
    wait_until(lambda: len(trials(mlflow, run)) >= 2, what="two trials", seconds=120)
    victim = workers(kubernetes, run)[0].metadata.name
    kubernetes.api.delete_namespaced_pod(victim, kubernetes.namespace, grace_period_seconds=0)
    assert airflow.api.wait_for_run(DAG, run, seconds=300) == "success", airflow.api.log(DAG, run, "search")
    log = airflow.api.log(DAG, run, "search")
    assert "[8/8] trial" in log
    found = airflow.api.xcom(DAG, run, "search", "best_params")
    assert airflow.api.xcom(DAG, run, "train", "metrics") == found
    metrics = airflow.api.xcom(DAG, run, "search", "metrics")
    assert (metrics["trials_complete"], metrics["trials_failed"], metrics["pod"]) == (8, 0, 1)
    runs = mlflow.runs(DAG, run)
    assert json.loads(runs["stage"]["search"].params["x"]) == pytest.approx(found["x"])
    assert {each.tags["mlflow.parentRunId"] for each in runs["trial"].values()} == {runs["stage"]["search"].id}
    ended = [each for each in runs["trial"].values() if each.status == "FINISHED"]
    assert (len(ended), all(each.metrics["loss"] >= metrics["loss"] for each in ended)) == (8, True)
    assert all(each.status in ("FINISHED", "KILLED") for each in runs["trial"].values())
    kubernetes.wait_for_no_pods(run=run)
    wait_until(lambda: not jobs(run), what="the end of the workers' Job", seconds=60)


def test_a_study_that_is_stopped_leaves_no_worker_and_no_open_run(airflow, kubernetes, mlflow, jobs):
    run = begun(airflow, seconds=600)
    wait_until(lambda: len(trials(mlflow, run)) == 2, what="two trials", seconds=150)
    airflow.api.mark(DAG, run, "search", "failed")
    kubernetes.wait_for_no_pods(run=run, seconds=90)
    assert airflow.api.wait_for_run(DAG, run, seconds=120) == "failed"
    wait_until(lambda: not jobs(run), what="the end of the workers' Job", seconds=60)
    assert {each.status for each in trials(mlflow, run).values()} == {"KILLED"}
