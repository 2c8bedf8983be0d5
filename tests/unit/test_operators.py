import inspect

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG, ExceptionRetryPolicy, RetryAction

from airflow_ml_provider import operators
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.exceptions import StageFailedError, StageUserCodeError
from airflow_ml_provider.operators import (
    ContainerOperator,
    EvaluateOperator,
    IngestOperator,
    RegisterOperator,
    StageOperator,
    TrainOperator,
    ValidateOperator,
)

STAGES = [
    found
    for name in operators.__all__
    if isinstance(found := getattr(operators, name), type) and issubclass(found, StageOperator)
]


@pytest.mark.parametrize("operator", STAGES)
def test_every_stage_is_a_kubernetes_pod_operator_with_sorted_template_fields(operator):
    assert issubclass(operator, KubernetesPodOperator)
    assert list(operator.template_fields) == sorted(set(operator.template_fields))
    assert set(KubernetesPodOperator.template_fields) <= set(operator.template_fields)


def test_no_argument_of_ours_shadows_one_of_airflows():
    own = set(inspect.signature(StageOperator.__init__).parameters) - {"self", "kwargs", "do_xcom_push"}
    assert not own & set(inspect.signature(KubernetesPodOperator.__init__).parameters)


def test_every_kubernetes_argument_passes():
    task = TrainOperator(task_id="t", run="m:f", image="x", namespace="ml", node_selector={"gpu": "a100"}, retries=3)
    assert (task.image, task.namespace, task.node_selector, task.retries) == ("x", "ml", {"gpu": "a100"}, 3)
    assert task.only_in_pods == ["image", "namespace", "node_selector"]


def test_an_unknown_argument_is_refused():
    with pytest.raises(TypeError, match="hyperparams"):
        TrainOperator(task_id="t", run="m:f", hyperparams={})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrainOperator(task_id="t"), "nothing to run"),
        (lambda: TrainOperator(task_id="t", run="m:f", command=["x"]), "run or command, not both"),
        (lambda: TrainOperator(task_id="t", run="m:f", outputs={"metrics": "report"}), "'metrics' is a reserved name"),
        (lambda: IngestOperator(task_id="t"), "give uri, or code"),
        (lambda: IngestOperator(task_id="t", uri="x", run="m:f"), "give uri, or code"),
        (lambda: IngestOperator(task_id="t", uri="x", outputs={"x": "dataset"}), "the one output is 'data'"),
        (lambda: ValidateOperator(task_id="t", suite="s"), "exactly one input"),
        (lambda: ValidateOperator(task_id="t", suite="s", inputs={"a": "x"}, on_failure="skip"), "allowed are fail"),
        (lambda: ValidateOperator(task_id="t", suite="s", inputs={"a": "x"}, if_failed=["b"]), "goes with on_failure"),
        (lambda: EvaluateOperator(task_id="t", run="m:f", on_failure="warn"), "needs a gate"),
        (lambda: EvaluateOperator(task_id="t", run="m:f", gate={"rmse": "20"}), "gate.rmse: '20' is not a threshold"),
        (lambda: RegisterOperator(task_id="t", model="x", model_name="n", mlflow_conn_id=None), "needs MLflow"),
        (lambda: RegisterOperator(task_id="t", model="x", model_name="n", run="m:f"), "neither run, command nor"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_when_the_dag_is_parsed(make, message):
    with pytest.raises(StageConfigurationError, match=message):
        make()


@pytest.mark.parametrize("resources", [{"cpus": 1}, {"memory": "4 gigs"}, {"cpu": 0}])
def test_odd_resources_are_refused(resources):
    with pytest.raises(ValueError, match=r"resources"):
        TrainOperator(task_id="t", run="m:f", stage_resources=resources)


def test_outputs_of_one_stage_are_inputs_of_the_next_and_map():
    with DAG("d"):
        ingest = IngestOperator(task_id="ingest", uri="x")
        train = TrainOperator.partial(task_id="train", run="m:f", inputs={"train": ingest.output["data"]}).expand(
            hyperparameters=[{"depth": 2}, {"depth": 4}]
        )
        collect = ContainerOperator(task_id="collect", command=["x"], inputs={"data": ingest.output["data"]})
        train >> collect
        register = RegisterOperator.partial(
            task_id="register", model=ingest.output["data"], gates=collect.output["gates"]
        ).expand(model_name=["a", "b"])
        whole = TrainOperator(
            task_id="whole", run="m:f", inputs=ingest.output["inputs"], hyperparameters=collect.output["best"]
        )
    assert train.upstream_task_ids == {"ingest"}
    assert register.upstream_task_ids == whole.upstream_task_ids == {"ingest", "collect"}
    assert collect.upstream_task_ids == {"ingest", "train"}


def test_no_retry_is_a_retry_policy_of_mapped_stages_too():
    def decides(task, error):
        return task.retry_policy.evaluate(error, 1, 3).action

    plain = TrainOperator(task_id="a", run="m:f", no_retry=["user_code"])
    with DAG("d", schedule=None):
        mapped = TrainOperator.partial(task_id="b", run="m:f", no_retry=["user_code"]).expand(hyperparameters=[{}])
    for task in (plain, mapped.unmap({"hyperparameters": {}})):
        assert decides(task, StageUserCodeError("x")) == RetryAction.FAIL
        assert decides(task, StageFailedError("x")) == RetryAction.DEFAULT
    own = ExceptionRetryPolicy(rules=[])
    assert TrainOperator(task_id="c", run="m:f", no_retry=["user_code"], retry_policy=own).retry_policy is own
    assert TrainOperator(task_id="e", run="m:f").retry_policy is None
