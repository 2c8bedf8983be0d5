"""A result that is reused needs no pod; another image is other work; a tag is not trusted unless one says so."""

import pytest


@pytest.mark.parametrize(("mode", "lines"), [("sync", 4), ("deferrable", 5)])
def test_a_reused_result_needs_no_pod(airflow, kubernetes, cluster, mlflow, mode, lines):
    dag = f"cached_{mode}"
    first, state, _ = airflow.run(dag, lines=lines)
    assert state == "success", airflow.api.log(dag, first, "work")
    assert mlflow.runs(dag, first)["stage"]["work"].tags["airflow_ml.cache"].startswith("runs because")
    second, state, _ = airflow.run(dag, lines=lines)
    log = airflow.api.log(dag, second, "work")
    assert state == "success", log
    assert f"Stage work reused from run {first}" in log
    assert not kubernetes.pods(run=second)
    assert airflow.api.xcom(dag, second, "work", "pod_name") is None
    assert airflow.api.xcom(dag, second, "work", "model") == airflow.api.xcom(dag, first, "work", "model")
    assert mlflow.runs(dag, second)["stage"]["work"].status == "FINISHED"

    same_image = f"docker.io/{cluster.image}"
    third, state, _ = airflow.run(dag, lines=lines, image=same_image)
    assert state == "success", airflow.api.log(dag, third, "work")
    told = airflow.api.xcom(dag, third, "work", "cache")
    assert told == {"reused": False, "reason": f"image {cluster.image} -> {same_image}"}


def test_a_tag_is_not_trusted(airflow, cluster):
    for _ in range(2):
        run_id, state, _ = airflow.run("untrusted_sync")
        assert state == "success"
    told = airflow.api.xcom("untrusted_sync", run_id, "work", "cache")
    assert told["reused"] is False
    assert told["reason"].startswith(f"image {cluster.image} is a tag, which may stand for another image tomorrow")
