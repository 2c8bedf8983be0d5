"""A stage for each argument of KubernetesPodOperator that has an effect of its own; what they do is noted in XComs."""

import json
import os
from datetime import timedelta
from pathlib import Path

from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback
from airflow.sdk import DAG
from kubernetes.client import V1Container

from airflow_ml_provider.operators import TrainOperator

IMAGE = os.environ["AIRFLOW__ML__IMAGE"]


def say(name, text, code=0):
    return V1Container(name=name, image=IMAGE, command=["sh", "-c", f"echo {text}; exit {code}"])


class Noted(KubernetesPodOperatorCallback):
    """Says in the task's log what was called, and with which pod."""

    @staticmethod
    def on_pod_manifest_created(*, pod_request, operator, mode, **_):
        operator.log.info("CALLED manifest %s %s", mode, pod_request.metadata.labels["airflow-ml/stage"])

    @staticmethod
    def on_pod_creation(*, pod, operator, **_):
        operator.log.info("CALLED creation %s", pod.metadata.name == operator.pod.metadata.name)

    @staticmethod
    def on_pod_starting(*, pod, operator, **_):
        operator.log.info("CALLED starting %s", pod.status.phase)

    @staticmethod
    def on_pod_completion(*, pod, operator, **_):
        operator.log.info("CALLED completion %s", pod.metadata.name)

    @staticmethod
    def on_pod_teardown(*, pod, operator, **_):
        operator.log.info("CALLED teardown %s", pod.metadata.name)

    @staticmethod
    def on_pod_cleanup(*, pod, operator, **_):
        operator.log.info("CALLED cleanup %s", pod.metadata.name)

    @staticmethod
    def progress_callback(*, line, container_name, pod, **_):
        if line == "line 1":
            print("CALLED progress", container_name, pod.metadata.labels["airflow-ml/stage"])


def formatted(container, message):
    return f"FORMATTED {container} {message}"


def progress(line):
    print("PROGRESS", line)


# With what every stage needs to reach the store.
SIDECAR = json.loads(Path(os.environ["AIRFLOW__ML__POD_TEMPLATE"]).read_text())
SIDECAR["spec"]["containers"].append(
    {"name": "side", "image": IMAGE, "command": ["sh", "-c", "echo from the sidecar; sleep 30"]}
)
CASES = {
    "callbacks": {"callbacks": [Noted]},
    "formatter": {"log_formatter": formatted},
    "progress": {"progress_callback": progress},
    "init": {"init_containers": [say("prep", "from the init container")], "init_container_logs": True},
    "init_fails": {
        "init_containers": [say("prep", "init says no", 7)],
        # What failed is shown without that, and not twice with it.
        "init_container_logs": True,
        "retries": 1,
    },
    "sidecar": {"pod_template_dict": SIDECAR, "container_logs": True},
    "named": {"name": "my-own-name"},
    "skip_success": {"skip_on_exit_code": 0},
    "no_room_for_it": {"stage_resources": {"cpu": 900}, "schedule_timeout_seconds": 5},
}
ONLY_SYNC = {"formatter", "progress"}

for mode in ("sync", "deferrable"):
    for case, arguments in CASES.items():
        if mode == "deferrable" and case in ONLY_SYNC:
            continue
        with DAG(f"argument_{case}_{mode}", schedule=None) as dag:
            TrainOperator(
                task_id="work",
                run="work:quick",
                hyperparameters={"lines": 3},
                code="code",
                outputs={"model": "file"},
                deferrable=mode == "deferrable",
                mlflow_conn_id=None,
                **{"retries": 0, "retry_delay": timedelta(seconds=1), **arguments},
            )
        globals()[dag.dag_id] = dag
