"""The example pipeline from the same YAML, every stage a pod, artifacts in S3."""


def test_the_flight_pipeline_runs_in_pods_with_the_metrics_of_the_local_runner(airflow, bucket, kubernetes, mlflow):
    run_id, state, tasks = airflow.run("flight_delays", data=f"s3://{bucket}/flights/*.csv", seconds=300)
    assert (state, set(tasks.values())) == ("success", {"success"}), airflow.api.log("flight_delays", run_id, "ingest")
    runs = mlflow.runs("flight_delays", run_id)
    assert {run.status for named in runs.values() for run in named.values()} == {"FINISHED"}
    assert round(runs["stage"]["evaluate"].metrics["rmse"], 2) == 17.48
    kubernetes.wait_for_no_pods()
