"""The pipeline that kubeflow.yaml was compiled from, with kfp 2.17.3."""

from kfp import compiler, dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output


@dsl.component(base_image="python:3.11", packages_to_install=["pandas"])
def load(rows: int, data: Output[Dataset]):
    import pandas as pd

    pd.DataFrame({"x": range(rows)}).to_csv(data.path)


@dsl.component(base_image="python:3.11", packages_to_install=["scikit-learn"])
def train(data: Input[Dataset], model: Output[Model], depth: int = 3):
    open(model.path, "w").write(str(depth))


@dsl.component(base_image="python:3.11")
def evaluate(model: Input[Model], data: Input[Dataset], metrics: Output[Metrics]) -> float:
    metrics.log_metric("rmse", 1.0)
    return 1.0


@dsl.container_component
def notify(name: str):
    return dsl.ContainerSpec(image="alpine:3.20", command=["echo"], args=[name])


@dsl.pipeline(name="churn-training", description="Trains the churn model")
def pipeline(rows: int = 100):
    loaded = load(rows=rows)
    trained = train(data=loaded.outputs["data"], depth=6).set_cpu_request("2").set_memory_request("4Gi")
    judged = evaluate(model=trained.outputs["model"], data=loaded.outputs["data"])
    notify(name="done").after(judged)


compiler.Compiler().compile(pipeline, "kubeflow.yaml")
