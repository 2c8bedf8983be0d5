"""One pipeline spec to one DAG."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, BaseOperator, XComArg
from airflow.sdk.definitions.timetables.simple import NullTimetable

from airflow_ml_provider.dag_factory.described_pods import pod_arguments_of
from airflow_ml_provider.decisions.trust.shown_text import fenced
from airflow_ml_provider.operators.finish import FinishOperator
from airflow_ml_provider.operators.kinds import operator_of
from airflow_ml_provider.protocol.names import REUSE_PARAM
from airflow_ml_provider.spec.order import in_order
from airflow_ml_provider.spec.pipeline import DEFAULT_START, SOURCES, PipelineSpec
from airflow_ml_provider.spec.references import Reference
from airflow_ml_provider.spec.stage_arguments import stage_arguments
from airflow_ml_provider.tasks.params import airflow_param

FINISH = "finish"
COMMIT = "commit"


def build(
    spec: PipelineSpec,
    *,
    base_folder: Path,
    source: str | None = None,
    results: Mapping[str, Mapping[str, Any]] | None = None,
    exclusive: bool = True,
) -> DAG:
    """Build the DAG of a pipeline.

    Args:
        spec: The pipeline.
        base_folder: Where its relative paths start.
        source: The YAML text, shown on the DAG in Airflow's UI.
        results: Stages that are not to run, with what they put out in an earlier run.
        exclusive: Whether runs claim what is new in their sources; without, each gets all there is.
    """
    done = results or {}

    def output(reference: Reference) -> Any:
        if reference.stage == SOURCES:
            return XComArg(built[str(reference)], key="data")
        if reference.stage in done:
            return done[reference.stage][reference.output]
        return XComArg(built[reference.stage], key=reference.output)

    built: dict[str, BaseOperator] = {}
    # Airflow takes this schedule with one run at a time only.
    limits: dict[str, Any] = {"max_active_runs": 1} if spec.schedule == "@continuous" else {}
    start = spec.start_date or (DEFAULT_START if spec.schedule else None)
    with DAG(
        dag_id=spec.pipeline,
        description=spec.description,
        schedule=_schedule(spec, base_folder),
        start_date=dt.datetime.combine(start, dt.time(), dt.UTC) if start else None,
        catchup=False,
        params={**_params(spec), **_switches(spec)},
        tags=sorted({"ml", *spec.tags}),
        doc_md=fenced(source, language="yaml") if source else None,
        # Else Airflow lists it also where one of its operators is refused, and takes it or what shows the mistake.
        auto_register=False,
        **limits,
    ) as dag:
        runs = [name for name in in_order(spec) if name not in done]
        first = [name for name in runs if spec.reads_sources(name) or not spec.upstream(name)]
        if spec.sources and first:
            # Most pipelines have none, and their parse loads nothing of it.
            from airflow_ml_provider.dag_factory.data import source_tasks

            built |= source_tasks(spec, base_folder=str(base_folder), exclusive=exclusive)
        sources = list(built.values())
        for name in runs:
            arguments = stage_arguments(spec, name, output=output, results=done, base_folder=str(base_folder))
            if not spec.stages[name].in_airflow:
                arguments |= pod_arguments_of(spec, name, base_folder=str(base_folder))
            built[name] = operator_of(spec.stages[name].kind)(**arguments)
            if upstream := [built[other] for other in sorted(spec.upstream(name)) if other in built]:
                built[name].set_upstream(upstream)
            elif sources and name in first:
                # Without new data nothing of the run is to run.
                built[name].set_upstream(sources)
        last: list[BaseOperator] = list(built.values())
        if sources and exclusive:
            from airflow_ml_provider.operators.commit import CommitOperator

            commit = CommitOperator(task_id=COMMIT, sources=sorted(spec.sources), store=spec.store)
            commit.set_upstream(last)
            last.append(commit)
        if spec.tracking is not None:
            finish = FinishOperator(task_id=FINISH, mlflow_conn_id=spec.tracking.connection, store=spec.store)
            last >> finish.as_teardown()
    return dag


def _schedule(spec: PipelineSpec, base_folder: Path) -> Any:
    if spec.schedule is None:
        # What a DAG makes of None, without the timetables for cron that it loads to find that out.
        return NullTimetable()
    if isinstance(spec.schedule, str):
        return spec.schedule
    if spec.drift_schedule is not None:
        from airflow_ml_provider.operators.monitor import drift_asset

        return [drift_asset(*spec.drift_schedule)]
    from airflow_ml_provider.dag_factory.data import data_schedule, partition_schedule

    partition = spec.partition_schedule
    return partition_schedule(partition) if partition else data_schedule(spec, base_folder=base_folder)


def _params(spec: PipelineSpec) -> dict[str, Any]:
    return {name: airflow_param(found) for name, found in spec.param_schemas().items()}


def _switches(spec: PipelineSpec) -> dict[str, Any]:
    if not any(spec.caches(name) for name in spec.stages):
        return {}
    from airflow.sdk import Param

    description = "Whether stages take results of earlier runs that did the same work"
    return {REUSE_PARAM: Param(True, type="boolean", title="Reuse earlier results", description=description)}
