"""One pipeline spec to one DAG."""

from __future__ import annotations

import datetime as dt
from graphlib import TopologicalSorter
from pathlib import Path

from airflow.sdk import DAG

from airflow_ml_provider.dag_factory.stage_arguments import OPERATORS, stage_arguments
from airflow_ml_provider.operators import FinishOperator, StageOperator
from airflow_ml_provider.spec.pipeline import DEFAULT_START, PipelineSpec

FINISH = "finish"


def build(spec: PipelineSpec, *, base_folder: Path, source: str | None = None) -> DAG:
    """Build the DAG of a pipeline.

    Args:
        spec: The pipeline.
        base_folder: Where its relative paths start.
        source: The YAML text, shown on the DAG in Airflow's UI.
    """
    start = spec.start_date or (DEFAULT_START if spec.schedule else None)
    with DAG(
        dag_id=spec.pipeline,
        description=spec.description,
        schedule=spec.schedule,
        start_date=dt.datetime.combine(start, dt.time(), dt.UTC) if start else None,
        catchup=False,
        params=dict(spec.params),
        tags=sorted({"ml", *spec.tags}),
        doc_md=f"```yaml\n{source}\n```" if source else None,
    ) as dag:
        built: dict[str, StageOperator] = {}
        for name in _in_order(spec):
            arguments = stage_arguments(spec, name, built=built, base_folder=str(base_folder))
            built[name] = OPERATORS[spec.stages[name].kind](**arguments)
            built[name].set_upstream([built[other] for other in sorted(spec.upstream(name))])
        if spec.tracking is not None:
            finish = FinishOperator(task_id=FINISH, mlflow_conn_id=spec.tracking.connection, store=spec.store)
            list(built.values()) >> finish.as_teardown()
    return dag


def _in_order(spec: PipelineSpec) -> list[str]:
    """Return the stages with every upstream first, ties in the order of the file."""
    sorter = TopologicalSorter({name: sorted(spec.upstream(name)) for name in spec.stages})
    sorter.prepare()
    order: list[str] = []
    position = {name: index for index, name in enumerate(spec.stages)}
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=position.__getitem__)
        order.extend(ready)
        sorter.done(*ready)
    return order
