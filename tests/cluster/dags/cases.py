"""One DAG a case and mode; what goes wrong is done to it by the test."""

import os
from datetime import timedelta

from airflow.sdk import DAG, Param
from kubernetes.client import V1PersistentVolumeClaimVolumeSource, V1Volume, V1VolumeMount

from airflow_ml_provider.operators import FinishOperator, ReapOperator, TrainOperator


def follow_for_ten_seconds(context):
    os.environ["AIRFLOW__ML__DEFER_AFTER"] = "10"


CASES = {
    "quick": {"run": "work:quick", "hyperparameters": {"lines": 300}},
    "slow": {"run": "work:slow", "hyperparameters": {"seconds": "{{ params.seconds }}"}},
    "proxied": {
        "run": "work:slow",
        "hyperparameters": {"seconds": "{{ params.seconds }}"},
        "kubernetes_conn_id": "kubernetes_proxied",
    },
    "cached": {
        "run": "work:quick",
        "image": "{{ params.image }}",
        "hyperparameters": {"lines": "{{ params.lines }}"},
        "cache": {"image": "trust-tag"},
    },
    "untrusted": {"run": "work:quick", "cache": True},
    "handed_over": {
        "run": "work:slow",
        "hyperparameters": {"seconds": "{{ params.seconds }}"},
        "pre_execute": follow_for_ten_seconds,
    },
    "resuming": {
        "run": "work:resuming",
        "hyperparameters": {"seconds": "{{ params.seconds }}"},
        "checkpoints": timedelta(seconds=30),
    },
    "growing": {
        "run": "work:holding",
        "hyperparameters": {"mebibytes": 150},
        "stage_resources": {"memory": "96Mi", "max_memory": "512Mi"},
    },
    "no_quota": {"run": "work:quick", "capacity_timeout": timedelta(seconds=90)},
    "no_rights": {"run": "work:quick", "kubernetes_conn_id": "kubernetes_nobody"},
    "greedy": {"run": "work:greedy", "stage_resources": {"memory": "96Mi"}},
    "broken": {"run": "work:broken"},
    "no_image": {"run": "work:quick", "image": "ml/does-not-exist:1"},
    "late": {"run": "work:slow", "execution_timeout": timedelta(seconds=8), "retries": 0},
    "slow_start": {"run": "work:slow", "hyperparameters": {"seconds": 3}, "retry_delay": timedelta(seconds=10)},
    "slow_run": {"run": "work:slow", "hyperparameters": {"seconds": 120}, "retries": 0},
    "no_room": {"run": "work:quick", "stage_resources": {"cpu": 900}, "capacity_timeout": timedelta(seconds=6)},
}

IMAGE = Param(os.environ["AIRFLOW__ML__IMAGE"], type="string", pattern="^[a-z0-9.:/-]+$")
SHARED = os.environ["ML_TEST_SHARED_VOLUME"]
CLAIM = V1PersistentVolumeClaimVolumeSource(claim_name="shared")
CASES["shared_volume"] = {
    "run": "work:quick",
    "store": f"file://{SHARED}/store",
    "volumes": [V1Volume(name="shared", persistent_volume_claim=CLAIM)],
    "volume_mounts": [V1VolumeMount(name="shared", mount_path=SHARED)],
}
CASES["unshared_file"] = {"run": "work:quick", "store": f"file://{SHARED}/store"}

with DAG("reap", schedule=None):
    ReapOperator(task_id="reap", older_than=timedelta())

for mode in ("sync", "deferrable"):
    for case, arguments in CASES.items():
        name = f"{case}_{mode}"
        with DAG(
            name,
            schedule=None,
            params={"seconds": 20, "lines": 3, "image": IMAGE},
            render_template_as_native_obj=True,
            dagrun_timeout=timedelta(seconds=12) if case == "slow_run" else None,
        ) as dag:
            stage = TrainOperator(
                task_id="work",
                code="code",
                outputs={"model": "file"},
                deferrable=mode == "deferrable",
                **{"retries": 1, "retry_delay": timedelta(seconds=1), **arguments},
            )
            stage >> FinishOperator(task_id="finish").as_teardown()
        globals()[name] = dag
