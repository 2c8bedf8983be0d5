"""The same stage by YAML, by PipelineSpec, by an operator and by a decorator: one request, one pod."""

import functools
import inspect
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG, task
from kubernetes.client import ApiClient

from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.dag_factory.builder import build
from airflow_ml_provider.decorators.ml_stage import source_of
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.execution.stage_request import stage_request
from airflow_ml_provider.operators import TrainOperator
from airflow_ml_provider.pod.compose import compose
from airflow_ml_provider.spec.loading.load import load_pipeline
from airflow_ml_provider.spec.pipeline import PipelineSpec


def fit(train: Path, model: Path, *, depth: int = 3, name: str = "x") -> dict[str, float]:
    model.write_text(name * depth)
    return {"size": depth}


@pytest.fixture
def world(tmp_path):
    """A store with an artifact to train on, a folder with the function's code, and its pipeline."""
    store = f"file://{tmp_path / 'store'}"
    (tmp_path / "rows").write_text("1\n2\n")
    data = ArtifactStore().put_content(store, b"1\n2\n", suffix=".csv")
    (tmp_path / "stage_code").mkdir()
    (tmp_path / "stage_code" / "fit.py").write_text(source_of(fit))
    return SimpleNamespace(folder=tmp_path, store="s3://artifacts/ml", local=store, data=data.to_plain())


def stage(world):
    return {
        "kind": "train",
        "run": "stage_code.fit:fit",
        "outputs": {"model": "model"},
        "params": {"depth": 5},
        "image": "ml/stage:1",
        "resources": {"cpu": 2, "memory": "4Gi"},
        "pod": {"namespace": "ml", "labels": {"team": "ml"}, "env": {"A": "b"}},
    }


def by_yaml(world):
    (world.folder / "p.yaml").write_text(
        """\
pipeline: p
code: ./stage_code
tracking: false
stages:
  ingest: {kind: ingest, uri: x}
  fit:
    kind: train
    run: stage_code.fit:fit
    inputs: {train: ingest.data}
    outputs: {model: model}
    params: {depth: 5}
    image: ml/stage:1
    resources: {cpu: 2, memory: 4Gi}
    pod: {namespace: ml, labels: {team: ml}, env: {A: b}}
"""
    )
    return build(load_pipeline(world.folder / "p.yaml"), base_folder=world.folder).get_task("fit")


def by_spec(world):
    spec = PipelineSpec(
        pipeline="p",
        code="./stage_code",
        tracking=None,
        stages={
            "ingest": {"kind": "ingest", "uri": "x"},
            "fit": {**stage(world), "inputs": {"train": "ingest.data"}},
        },
    )
    return build(spec, base_folder=world.folder).get_task("fit")


def by_operator(world):
    with DAG("p", schedule=None):
        return TrainOperator(
            task_id="fit",
            run="stage_code.fit:fit",
            code="stage_code",
            base_folder=str(world.folder),
            inputs={"train": world.data},
            hyperparameters={"depth": 5},
            image="ml/stage:1",
            stage_resources={"cpu": 2, "memory": "4Gi"},
            namespace="ml",
            labels={"team": "ml"},
            env_vars={"A": "b"},
            mlflow_conn_id=None,
        )


def by_decorator(world):
    with DAG("p", schedule=None):
        decorated = task.ml_stage(
            kind="train",
            outputs={"model": "model"},
            image="ml/stage:1",
            stage_resources={"cpu": 2, "memory": "4Gi"},
            namespace="ml",
            labels={"team": "ml"},
            env_vars={"A": "b"},
            mlflow_conn_id=None,
        )(fit)
        return decorated(world.data, depth=5).operator


def of(operator, world):
    """Return the request and the pod of an operator whose templates are rendered."""
    context = {
        "dag": operator.dag,
        "ti": SimpleNamespace(task_id="fit", dag_id="p", run_id="r", map_index=-1, try_number=1),
    }
    if hasattr(operator, "op_kwargs"):
        operator._bind()
    else:
        operator.inputs = {"train": world.data}
    operator.store = world.local
    request = stage_request(operator.stage(context), operator.run_context(context))
    attempt = request.__class__.from_json(
        request.to_json()
        .replace('"attempt":""', '"attempt":"1.1"')
        .replace('"attempt_uri":""', '"attempt_uri":"s3://artifacts/ml/p/r/fit/-1/1.1"')
    )
    pod = compose(operator.build_pod_request_obj(dry_run=True), attempt, container=operator.base_container_name)
    return request, ApiClient().sanitize_for_serialization(pod)


@pytest.mark.parametrize("door", [by_spec, by_operator, by_decorator])
def test_every_door_leads_to_the_same_request_and_pod(world, door):
    request, pod = of(by_yaml(world), world)
    assert request.params == {"depth": 5}
    assert request.code is not None
    other_request, other_pod = of(door(world), world)
    assert other_request == request
    assert other_pod == pod


def test_a_decorated_function_travels_without_its_decorators_and_as_it_is_written():
    def outer():
        @task.ml_stage(
            kind="train",
            image="i",
        )
        @task.ml_stage
        def inner(x: Path) -> None:
            # kept
            return "# kept"

        return inner

    with pytest.raises(StageConfigurationError, match="is not a function that is defined with def"):
        source_of(lambda: 1)
    source = source_of(inspect.unwrap(outer()))
    assert source.endswith('def inner(x: Path) -> None:\n    # kept\n    return "# kept"\n')
    assert source.startswith("from __future__ import annotations\n\nfrom pathlib import Path\n")


def test_template_fields_of_a_decorated_stage_are_in_order(world):
    operator = by_decorator(world)
    assert list(operator.template_fields) == sorted(operator.template_fields)
    assert {"op_args", "op_kwargs", "hyperparameters"} <= set(operator.template_fields)


def test_a_kind_that_does_not_exist_is_an_error():
    with pytest.raises(StageConfigurationError, match="no installed package brings the kind 'trian'"):
        task.ml_stage(kind="trian")(fit)


@pytest.mark.parametrize("argument", ["code", "inputs", "hyperparameters", "run", "command"])
def test_an_argument_that_would_be_lost_is_refused(argument):
    with DAG("p", schedule=None), pytest.raises(StageConfigurationError, match=f"{argument} is what the function"):
        task.ml_stage(kind="train", **{argument: "x"})(fit)("file:///x")


def test_a_decorator_that_would_not_travel_is_refused():
    @functools.wraps(fit)
    def wrapped(*given, **named):
        return fit(*given, **named)

    with pytest.raises(StageConfigurationError, match="'fit' has another decorator below"):
        source_of(wrapped)


def test_optional_paths_and_artifacts_are_inputs(world):
    def judge(model: Path, test: Path | None = None, *, extra: str = "", depth: int = 1, **more: object) -> None: ...

    with DAG("p", schedule=None):
        made = task.ml_stage(kind="evaluate", mlflow_conn_id=None)(judge)
        operator = made(world.data, test=world.data, extra=world.data, depth=2, other=world.data, word="w").operator
    operator._bind()
    assert operator.inputs.keys() == {"model", "test", "extra", "other"}
    assert operator.hyperparameters == {"depth": 2, "word": "w"}


def test_what_a_search_tries_is_no_argument_of_the_call(monkeypatch):
    def search(data: Path, model: Path, *, depth: int, rows: int = 3):
        """Never run here."""

    with DAG("searched"):
        called = task.ml_stage(
            search,
            kind="tune",
            search={"depth": {"int": [1, 3]}},
            objective={"metric": "loss", "direction": "minimize"},
        )("s3://bucket/data", rows=4)
    operator = called.operator
    operator._bind()
    assert operator.inputs == {"data": "s3://bucket/data"}
    assert operator.hyperparameters == {"rows": 4}
    assert (operator.outputs, operator.trial_outputs) == ({"report": "report"}, {"model": "model"})
