"""The example pipeline from the same YAML, every stage a pod, artifacts in S3."""

import pytest


@pytest.mark.parametrize("dag", ["flight_delays", "flight_delays_deferrable"])
def test_the_flight_pipeline_runs_in_pods_with_the_metrics_of_the_local_runner(
    airflow, bucket, kubernetes, mlflow, dag
):
    run_id, state, tasks = airflow.run(dag, data=f"s3://{bucket}/flights/*.csv", seconds=400)
    assert (state, set(tasks.values())) == ("success", {"success"}), airflow.api.log(dag, run_id, "ingest")
    runs = mlflow.runs(dag, run_id)
    assert {run.status for named in runs.values() for run in named.values()} == {"FINISHED"}
    assert round(runs["stage"]["evaluate"].metrics["rmse"], 2) == 17.48
    deferred = "Pausing task as DEFERRED" in airflow.api.log(dag, run_id, "train")
    assert deferred == (dag == "flight_delays_deferrable")
    kubernetes.wait_for_no_pods()
