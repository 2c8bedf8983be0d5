"""A pipeline with its runs, as trends and comparisons need them, from Airflow's database alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from sqlalchemy import func, select

from airflow_ml_provider.plugin.card_parts import schedule_of, stage_states, summaries
from airflow_ml_provider.plugin.open_questions import questions
from airflow_ml_provider.plugin.pipeline_answers import (
    GraphStageAnswer,
    PipelinePageAnswer,
    RunResultAnswer,
    StageResultAnswer,
)
from airflow_ml_provider.plugin.pipeline_index import PIPELINES, Pipeline
from airflow_ml_provider.plugin.pipeline_summary import promoted
from airflow_ml_provider.plugin.stage_details import details_of
from airflow_ml_provider.plugin.stage_facts import Fact, facts_of_runs, text_of
from airflow_ml_provider.plugin.summary_answers import SummaryAnswer
from airflow_ml_provider.protocol.plain_text import one_line

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def pipeline_page(
    session: Session, *, dag_id: str, limit: int, offset: int, compared: Sequence[str] = (), with_xcoms: bool
) -> PipelinePageAnswer | None:
    """Return a pipeline, ``None`` where the DAG does not exist.

    Args:
        session: Of Airflow's database.
        dag_id: The DAG.
        limit: How many runs at most.
        offset: How many newer ones come before.
        compared: The ids of runs that are wanted whatever their place.
        with_xcoms: Whether the user may read XComs, of which results are made.
    """
    dag = session.get(DagModel, dag_id)
    if dag is None:
        return None
    pipeline = PIPELINES.pipelines(session, [dag_id]).get(dag_id) or Pipeline(())
    newest_first = DagRun.run_after.desc(), DagRun.id.desc()
    asked = select(DagRun).where(DagRun.dag_id == dag_id).order_by(*newest_first).limit(limit).offset(offset)
    runs = session.scalars(asked).all()
    last = session.scalars(select(DagRun).where(DagRun.dag_id == dag_id).order_by(*newest_first).limit(1)).all()
    chosen = select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id.in_(compared))
    others = session.scalars(chosen.order_by(DagRun.run_after, DagRun.id)).all()
    found = summaries(session, {dag_id: pipeline}) if with_xcoms else {}
    return PipelinePageAnswer(
        dag_id=dag_id,
        name=dag.dag_display_name,
        description=one_line(dag.description or "", 500),
        paused=bool(dag.is_paused),
        schedule=schedule_of(dag),
        next_run=dag.next_dagrun_create_after,
        problem=pipeline.problem,
        stages=[
            GraphStageAnswer(
                task_id=each.task_id, kind=each.kind, upstream=list(each.upstream), inputs=dict(each.inputs)
            )
            for each in pipeline.stages
        ],
        questions=questions(session, [dag_id]).get(dag_id, []),
        summary=found.get(dag_id, SummaryAnswer()),
        total=session.scalar(select(func.count()).select_from(DagRun).where(DagRun.dag_id == dag_id)) or 0,
        offset=offset,
        runs=_results(session, pipeline, runs, with_xcoms=with_xcoms),
        compared=_results(session, pipeline, others, with_xcoms=with_xcoms),
        last=next(iter(stage_states(session, last).values()), {}),
        reads_xcoms=with_xcoms,
    )


def _results(
    session: Session, pipeline: Pipeline, runs: Sequence[DagRun], *, with_xcoms: bool
) -> list[RunResultAnswer]:
    kinds = {stage.task_id: stage.kind for stage in pipeline.stages}
    states = stage_states(session, runs)
    facts: dict[str, list[Fact]] = {}
    if with_xcoms:
        for fact in facts_of_runs(session, [run.id for run in runs], tasks=kinds):
            facts.setdefault(fact.run_id, []).append(fact)
    return [
        RunResultAnswer(
            run_id=run.run_id,
            state=str(run.state),
            run_type=str(run.run_type),
            run_after=run.run_after,
            started=run.start_date,
            ended=run.end_date,
            partition=text_of(run.partition_key),
            by=text_of(run.triggering_user_name),
            promoted=promoted(facts.get(run.run_id, []), kinds=kinds),
            stages=_stages(states.get((run.dag_id, run.run_id), {}), facts.get(run.run_id, []), kinds),
        )
        for run in runs
    ]


def _stages(states: Mapping[str, str], facts: Iterable[Fact], kinds: Mapping[str, str]) -> dict[str, StageResultAnswer]:
    by_task: dict[str, list[Fact]] = {}
    for fact in facts:
        by_task.setdefault(fact.task_id, []).append(fact)
    found = {}
    for task_id in kinds:
        if task_id in states or task_id in by_task:
            details = details_of(by_task.get(task_id, []))
            kept = {name: details[name] for name in ("metrics", "reuse", "verdicts", "outputs", "said")}
            found[task_id] = StageResultAnswer(state=states.get(task_id, ""), **kept)
    return found
