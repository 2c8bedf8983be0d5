"""New objects in a real S3 start a pipeline of pods; each goes to one run."""

import fsspec

from airflow_ml_provider.artifacts.objects import read_object
from airflow_ml_provider.protocol.manifest import from_lines
from airflow_ml_provider.testing.airflow_api import wait_until

DAG = "arrivals"


def manifests(airflow):
    """Return what each run that succeeded was given, by run."""
    found = {}
    for run in airflow.api.get(f"/dags/{DAG}/dagRuns", limit=100)["dag_runs"]:
        ref = airflow.api.xcom(DAG, run["dag_run_id"], "sources.numbers", "manifest")
        if run["state"] == "success" and ref is not None:
            found[run["dag_run_id"]] = [
                entry.uri.rpartition("/arrivals/")[2] for entry in from_lines(read_object(ref["uri"]))
            ]
    return found


def test_new_objects_start_a_run_that_gets_them_alone(airflow, kubernetes, bucket):
    airflow.api.wait_for_dag(DAG)
    files = fsspec.filesystem("s3")
    for batch in (["2013/a.csv", "2013/b.csv"], ["2014/c.csv"]):
        for name in batch:
            files.pipe_file(f"{bucket}/arrivals/{name}", name.encode())
        wait_until(
            lambda batch=batch: sorted(batch) in [sorted(names) for names in manifests(airflow).values()],
            what=f"a run with {batch} alone",
            seconds=120,
        )
        run_id = next(run for run, names in manifests(airflow).items() if sorted(names) == batch)
        assert airflow.api.xcom(DAG, run_id, "count", "metrics") == {"files": len(batch)}
        kubernetes.wait_for_no_pods(run=run_id)
    given = [name for names in manifests(airflow).values() for name in names]
    assert sorted(given) == ["2013/a.csv", "2013/b.csv", "2014/c.csv"]
