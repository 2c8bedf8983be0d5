"""The keys of the store and the login of MLflow: in a Secret and in Airflow's connection, and nowhere else."""

import json

import psutil

from tests.live.stage import Stage


def test_no_object_of_the_cluster_and_no_command_line_holds_a_secret(airflow, kubernetes, s3, mlflow_password):
    stage = Stage(airflow, kubernetes, "slow_sync", 4)
    pod = stage.pod()
    api, namespace = kubernetes.api, kubernetes.namespace
    plain = api.api_client.sanitize_for_serialization
    shown = {
        "the pod": json.dumps(plain(pod)),
        "pods": json.dumps(plain(api.list_namespaced_pod(namespace))),
        "events": json.dumps(plain(api.list_namespaced_event(namespace))),
        "ConfigMaps": json.dumps(plain(api.list_namespaced_config_map(namespace))),
        "command lines": "\n".join(" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])),
    }
    task = stage.wait_for_end()
    shown["the log"] = stage.log()
    assert task["state"] == "success", shown["the log"]
    hidden = {"S3 key": s3.secret, "MLflow password": mlflow_password}
    assert [(name, where) for name, value in hidden.items() for where, text in shown.items() if value in text] == []
    assert '"secretRef": {"name": "s3-keys"}' in shown["the pod"]
    assert "AIRFLOW_ML_REQUEST" in shown["the pod"]
