"""The example pipeline from the same YAML, every stage a pod that no worker waits for, artifacts in S3.

That workers wait for the pods is seen in test_loop_in_pods.py.
"""

DAG = "flight_delays_deferrable"


def test_the_flight_pipeline_runs_in_pods_with_the_metrics_of_the_local_runner(airflow, bucket, kubernetes, mlflow):
    run_id, state, tasks = airflow.run(DAG, data=f"s3://{bucket}/flights/*.csv", seconds=400)
    assert (state, set(tasks.values())) == ("success", {"success"}), airflow.api.log(DAG, run_id, "ingest")
    runs = mlflow.runs(DAG, run_id)
    assert {run.status for named in runs.values() for run in named.values()} == {"FINISHED"}
    assert round(runs["stage"]["evaluate"].metrics["rmse"], 2) == 17.48
    assert "Pausing task as DEFERRED" in airflow.api.log(DAG, run_id, "train")
    kubernetes.wait_for_no_pods()
