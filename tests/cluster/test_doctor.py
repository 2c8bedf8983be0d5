"""``airflow-ml doctor`` where everything answers, and where rights are missing."""

import os
import subprocess
import sys
from pathlib import Path

from airflow_ml_provider.decisions.cluster_rights import RULES, rules_of


def doctor(airflow, *arguments):
    done = subprocess.run(
        [str(Path(sys.executable).parent / "airflow-ml"), "doctor", *arguments],
        env={**os.environ, **airflow.server.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, {line[9:].partition(":")[0]: line for line in done.stdout.splitlines()}


def test_all_is_well_under_the_rights_of_the_manifests(airflow, kubernetes):
    code, printed, lines = doctor(airflow)
    assert code == 0, printed
    assert [line[:2] for line in lines.values()] == ["ok"] * 7
    assert f"has every right it needs in namespace '{kubernetes.namespace}'" in lines["cluster"]
    assert "keeps two writers apart" in lines["store"]
    assert "MLflow answers at http://" in lines["MLflow"]


def test_missing_rights_are_named_with_the_command_that_grants_them(airflow, kubernetes):
    code, _, lines = doctor(airflow, "--connection", "kubernetes_nobody")
    assert code == 1
    assert lines["cluster"].startswith("to do ")
    for rule in rules_of(RULES):
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                assert f"{verb} {resource}" in lines["cluster"]
    assert f"airflow-ml manifests --namespace {kubernetes.namespace} --serving --kserve |" in lines["cluster"]


def test_what_does_not_answer_is_reported_without_a_traceback(airflow):
    nowhere = '{"conn_type": "mlflow", "host": "http://127.0.0.1:9"}'
    done = subprocess.run(
        [str(Path(sys.executable).parent / "airflow-ml"), "doctor", "--mlflow-connection", "mlflow_gone"],
        env={
            **os.environ,
            **airflow.server.environment,
            "AIRFLOW_CONN_MLFLOW_GONE": nowhere,
            "AIRFLOW__ML__STORE": "s3://no-such-bucket-here/store",
            "AIRFLOW__ML__IMAGE": "ml/stage",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    told = [line.partition(":")[0] for line in done.stdout.splitlines() if line.startswith("to do")]
    assert told == ["to do    store", "to do    MLflow", "to do    pods", "to do    image"]
