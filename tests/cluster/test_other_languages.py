"""The example in JavaScript, Java and Go: images without Python, staged."""

import pytest

from airflow_ml_provider.artifacts.store import ArtifactStore


@pytest.mark.usefixtures("other_languages")
def test_a_pipeline_in_three_languages_runs_in_images_without_python(airflow, bucket, kubernetes, mlflow, tmp_path):
    dag = "other_languages"
    run_id, state, tasks = airflow.run(dag, data=f"s3://{bucket}/flights/*.csv", seconds=300)
    logs = "\n".join(airflow.api.log(dag, run_id, name) for name in tasks)
    assert (state, set(tasks.values())) == ("success", {"success"}), logs
    for line in ('split {"train_rows":12130,"test_rows":5348}', "learned 16 airlines", "mae 13.08, baseline 14.78"):
        assert line in logs
    for told in ("fetches its inputs", "ended (Completed, exit code 0)"):
        assert told in airflow.api.log(dag, run_id, "split")
    stages = mlflow.runs(dag, run_id)["stage"]
    assert round(stages["evaluate"].metrics["mae"], 2) == 13.08
    assert stages["train"].metrics == {"airlines": 16, "rows": 12130}
    ref = airflow.api.xcom(dag, run_id, "train", "model")
    store = ArtifactStore()
    store.fetch(store.find(ref["uri"]), tmp_path / "model")
    assert '"AA": -8.745' in (tmp_path / "model").read_text()
    kubernetes.wait_for_no_pods()
