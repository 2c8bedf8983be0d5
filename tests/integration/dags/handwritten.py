"""The same operators in an ordinary DAG: expand, templates, defaults, a branch that only warns."""

from airflow.sdk import DAG, Param

from airflow_ml_provider.operators import ContainerOperator, EvaluateOperator, TrainOperator

with DAG(
    "handwritten", schedule=None, params={"factor": Param(3, type="integer")}, default_args={"code": "code/cases"}
):
    make = ContainerOperator(
        task_id="make",
        command=["sh", "-c", "echo {{ params.factor }} > $AIRFLOW_ML_OUTPUT_NUMBER"],
        outputs={"number": "dataset"},
        image="busybox:stable",
    )
    train = TrainOperator.partial(
        task_id="train", run="cases.steps:multiply", inputs={"number": make.output["number"]}
    ).expand(hyperparameters=[{"by": 2}, {"by": "{{ params.factor }}"}])
    evaluate = EvaluateOperator(
        task_id="evaluate",
        run="cases.steps:read",
        inputs={"number": make.output["number"]},
        gate={"number": "> 100"},
        on_failure="warn",
    )
    train >> evaluate

with DAG("skipping", schedule=None):
    ContainerOperator(task_id="nothing_new", command=["sh", "-c", "exit 99"], skip_on_exit_code=99)
