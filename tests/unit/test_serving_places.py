"""The target that a serve stage's arguments give."""

from types import SimpleNamespace

import pytest
from kubernetes.client import CoreV1Api

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.operators import ServeOperator
from airflow_ml_provider.serving.kserve_target import KServeTarget
from airflow_ml_provider.serving.places import serving_place


def place(tmp_path, monkeypatch, *, endpoint="line"):
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", '{"conn_type": "mlflow", "host": "http://mlflow.ml.svc"}')
    operator = ServeOperator(
        task_id="serve",
        model={"name": "line", "version": "3"},
        target="kserve",
        image="ml/stage:1",
        namespace="ml",
        store=f"file://{tmp_path}",
        runner="kubernetes",
        mlflow_conn_id="mlflow_default",
        base_folder="/",
    )
    operator.__dict__["client"] = CoreV1Api()
    build = type(operator).build_pod_request_obj
    operator.build_pod_request_obj = lambda context: build(operator, context, dry_run=True)
    instance = SimpleNamespace(dag_id="flights", task_id="serve", run_id="r", map_index=-1, try_number=1)
    context = {"ti": instance, "dag": SimpleNamespace(tasks=[])}
    stage, run = operator.stage(context), operator.run_context(context)
    return serving_place(stage, run, endpoint=endpoint, model="line", version="3")


def test_kserve_gets_the_servers_of_the_stage(tmp_path, monkeypatch):
    target, revision = place(tmp_path, monkeypatch)
    assert isinstance(target, KServeTarget)
    found = target._predictor(revision, True)
    assert found["labels"]["airflow-ml/revision"] == revision.name
    assert found["containers"][0]["image"] == "ml/stage:1"


@pytest.mark.parametrize("endpoint", ["line-next", "x" * 41])
def test_a_name_that_kserve_has_no_room_for(tmp_path, monkeypatch, endpoint):
    with pytest.raises(StageConfigurationError, match="on KServe it has 40"):
        place(tmp_path, monkeypatch, endpoint=endpoint)
