"""A run of a pipeline, from Airflow's database alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import and_, or_, select

from airflow_ml_provider.plugin.open_questions import questions
from airflow_ml_provider.plugin.pipeline_index import PIPELINES
from airflow_ml_provider.plugin.run_answers import InstanceAnswer, RunPageAnswer, RunStageAnswer
from airflow_ml_provider.plugin.stage_details import details_of
from airflow_ml_provider.plugin.stage_facts import Fact, facts_of_runs, text_of
from airflow_ml_provider.plugin.task_states import rank, says_most

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_ml_provider.plugin.pipeline_index import Stage

INSTANCES = 30
"""How many task instances of a mapped stage are shown."""
_FAILED = "failed", "up_for_retry"


def run_page(session: Session, *, dag_id: str, run_id: str, with_xcoms: bool) -> RunPageAnswer | None:
    """Return a run, ``None`` where it does not exist.

    Args:
        session: Of Airflow's database.
        dag_id: The DAG.
        run_id: The run.
        with_xcoms: Whether the user may read XComs, of which details are made.
    """
    run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    if run is None:
        return None
    dag = session.get(DagModel, dag_id)
    pipeline = PIPELINES.pipelines(session, [dag_id]).get(dag_id)
    stages = pipeline.stages if pipeline else ()
    instances = _instances(session, run, [stage.task_id for stage in stages])
    shown = {
        task_id: sorted(found, key=lambda each: (rank(each.state), each.map_index))[:INSTANCES]
        for task_id, found in instances.items()
    }
    if with_xcoms:
        _add_details(session, run, shown)
    asked = questions(session, [dag_id], run_id=run_id).get(dag_id, [])
    earlier, later = _beside(session, run, later=False), _beside(session, run, later=True)
    return RunPageAnswer(
        dag_id=dag_id,
        name=dag.dag_display_name if dag else dag_id,
        run_id=run_id,
        state=str(run.state),
        run_type=str(run.run_type),
        run_after=run.run_after,
        started=run.start_date,
        ended=run.end_date,
        problem=pipeline.problem if pipeline else "",
        partition=text_of(run.partition_key),
        by=text_of(run.triggering_user_name),
        stages=[_stage(stage, instances.get(stage.task_id, []), shown.get(stage.task_id, [])) for stage in stages],
        questions=asked,
        earlier=earlier,
        later=later,
    )


def _instances(session: Session, run: DagRun, tasks: Sequence[str]) -> dict[str, list[InstanceAnswer]]:
    columns = TaskInstance.task_id, TaskInstance.map_index, TaskInstance.state, TaskInstance.try_number
    times = TaskInstance.start_date, TaskInstance.end_date
    of_run = TaskInstance.dag_id == run.dag_id, TaskInstance.run_id == run.run_id
    wanted = *of_run, TaskInstance.task_id.in_(tasks)
    found: dict[str, list[InstanceAnswer]] = {}
    for task_id, index, state, try_number, started, ended in session.execute(select(*columns, *times).where(*wanted)):
        instance = InstanceAnswer(
            map_index=index, state=str(state or ""), try_number=try_number, started=started, ended=ended
        )
        found.setdefault(task_id, []).append(instance)
    return found


def _add_details(session: Session, run: DagRun, shown: dict[str, list[InstanceAnswer]]) -> None:
    facts: dict[tuple[str, int], list[Fact]] = {}
    elements = [(task_id, each.map_index) for task_id, found in shown.items() for each in found if each.map_index >= 0]
    for fact in facts_of_runs(session, [run.id], tasks=shown, elements=elements):
        facts.setdefault((fact.task_id, fact.map_index), []).append(fact)
    for task_id, instances in shown.items():
        shown[task_id] = [_detailed(each, facts.get((task_id, each.map_index), [])) for each in instances]


def _detailed(instance: InstanceAnswer, facts: Sequence[Fact]) -> InstanceAnswer:
    details = details_of(facts)
    if instance.state not in _FAILED:
        # A task that was cleared keeps what its last try said until the next one begins.
        details["failure"] = None
    return instance.model_copy(update=details)


def _stage(stage: Stage, all_of_it: Sequence[InstanceAnswer], shown: Sequence[InstanceAnswer]) -> RunStageAnswer:
    return RunStageAnswer(
        task_id=stage.task_id,
        kind=stage.kind,
        upstream=list(stage.upstream),
        inputs=dict(stage.inputs),
        state=says_most(each.state for each in all_of_it),
        count=len(all_of_it),
        instances=[
            each.model_copy(update={"has_curves": each.has_curves and bool(stage.mlflow_conn_id)}) for each in shown
        ],
    )


def _beside(session: Session, run: DagRun, *, later: bool) -> str:
    """Return the run before or after one, empty where there is none."""
    of = DagRun
    if later:
        beyond = or_(of.run_after > run.run_after, and_(of.run_after == run.run_after, of.id > run.id))
        order = of.run_after.asc(), of.id.asc()
    else:
        beyond = or_(of.run_after < run.run_after, and_(of.run_after == run.run_after, of.id < run.id))
        order = of.run_after.desc(), of.id.desc()
    asked = select(of.run_id).where(of.dag_id == run.dag_id, beyond).order_by(*order).limit(1)
    return session.scalar(asked) or ""
