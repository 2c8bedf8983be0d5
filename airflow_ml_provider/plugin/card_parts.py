"""Parts that the cards of Home and the page of a pipeline share, from Airflow's database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import and_, or_, select, tuple_, union_all

from airflow_ml_provider.plugin.pipeline_summary import KEYS, add_gates, summary_of
from airflow_ml_provider.plugin.stage_facts import facts_of_runs, newest_facts
from airflow_ml_provider.plugin.summary_answers import SummaryAnswer
from airflow_ml_provider.plugin.task_states import says_most

if TYPE_CHECKING:
    from sqlalchemy import Subquery
    from sqlalchemy.orm import Session

    from airflow_ml_provider.plugin.pipeline_index import Pipeline
    from airflow_ml_provider.plugin.stage_facts import Fact

SUMMARY_RUNS = 50
"""How far back what a stage said last is looked for."""
# As Airflow says a schedule that there is not.
_NEVER = "None"


def schedule_of(dag: DagModel) -> str:
    """Return a DAG's schedule in words, empty where there is none."""
    summary = dag.timetable_summary
    return summary if summary is not None and summary != _NEVER else ""


def newest_runs(pipelines: Iterable[str], count: int) -> Subquery:
    """Return the ids of the rows of the last runs of each pipeline."""
    newest = [
        select(DagRun.id)
        .where(DagRun.dag_id == dag_id)
        .order_by(DagRun.run_after.desc(), DagRun.id.desc())
        .limit(count)
        .subquery()
        for dag_id in pipelines
    ]
    return union_all(*(select(each.c.id) for each in newest)).subquery()


def summaries(session: Session, pipelines: Mapping[str, Pipeline]) -> dict[str, SummaryAnswer]:
    """Return what the stages of pipelines said last, by DAG; of those that said nothing, nothing."""
    keys = {
        (dag_id, stage.task_id): KEYS[stage.kind]
        for dag_id, pipeline in pipelines.items()
        for stage in pipeline.stages
        if stage.kind in KEYS
    }
    if not keys:
        return {}
    runs = newest_runs({dag_id for dag_id, _ in keys}, SUMMARY_RUNS)
    facts: dict[str, list[Fact]] = {}
    for fact in newest_facts(session, runs=runs, keys_by_task=keys):
        facts.setdefault(fact.dag_id, []).append(fact)
    found = {dag_id: summary_of(each) for dag_id, each in facts.items()}
    promoting = {(dag_id, each.run_id) for dag_id, summary in found.items() for each in summary.champions}
    registers = {
        (dag_id, stage.task_id)
        for dag_id, pipeline in pipelines.items()
        for stage in pipeline.stages
        if stage.kind == "register"
    }
    if promoting and registers:
        ids = session.scalars(select(DagRun.id).where(tuple_(DagRun.dag_id, DagRun.run_id).in_(promoting))).all()
        said = facts_of_runs(session, ids, tasks={task_id for _, task_id in registers}, key="model")
        for dag_id, summary in found.items():
            own = [fact for fact in said if fact.dag_id == dag_id and (dag_id, fact.task_id) in registers]
            add_gates(summary.champions, own)
    return found


def stage_states(session: Session, runs: Sequence[DagRun]) -> dict[tuple[str, str], dict[str, str]]:
    """Return a state for each task of each run; of mapped tasks the one that says most."""
    by_dag: dict[str, list[str]] = {}
    for run in runs:
        by_dag.setdefault(run.dag_id, []).append(run.run_id)
    if not by_dag:
        return {}
    columns = TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.state
    wanted = or_(*(and_(TaskInstance.dag_id == dag, TaskInstance.run_id.in_(some)) for dag, some in by_dag.items()))
    found: dict[tuple[str, str], dict[str, str]] = {}
    for dag_id, run_id, task_id, state in session.execute(select(*columns).where(wanted).distinct()):
        if state is not None:
            states = found.setdefault((dag_id, run_id), {})
            states[task_id] = says_most((states.get(task_id, ""), str(state)))
    return found
