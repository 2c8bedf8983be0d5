"""The cards of pipelines, from Airflow's database alone: neither MLflow nor a store is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.models.dag import DagModel, DagTag
from airflow.models.dagrun import DagRun
from sqlalchemy import and_, func, literal, or_, select
from sqlalchemy.orm import selectinload

from airflow_ml_provider.plugin.card_parts import newest_runs, schedule_of, stage_states, summaries
from airflow_ml_provider.plugin.home_answers import (
    HomeAnswer,
    PipelineAnswer,
    QuestionAnswer,
    RunAnswer,
    StageAnswer,
)
from airflow_ml_provider.plugin.open_questions import questions, waiting
from airflow_ml_provider.plugin.pipeline_index import PIPELINES
from airflow_ml_provider.plugin.summary_answers import SummaryAnswer
from airflow_ml_provider.protocol.plain_text import one_line

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_ml_provider.plugin.pipeline_index import Pipeline

RUNS = 12
_SHOWN = 500


@dataclass(frozen=True, kw_only=True)
class HomeQuery:
    """Which cards are wanted.

    Attributes:
        search: A part of the id or the name, in any case.
        tag: A tag that they have.
        owner: An owner that they have.
        state: The state of their last run.
        limit: How many at most.
        offset: How many come before.
    """

    search: str = ""
    tag: str = ""
    owner: str = ""
    state: str = ""
    limit: int = 24
    offset: int = 0


def home(session: Session, readable: Iterable[str], query: HomeQuery, *, with_xcoms: bool) -> HomeAnswer:
    """Return a page of cards.

    Args:
        session: Of Airflow's database.
        readable: The DAGs that the user may read.
        query: Which cards.
        with_xcoms: Whether the user may read XComs, of which summaries are made.
    """
    pipelines = PIPELINES.pipelines(session, readable)
    waits = waiting(session, pipelines)
    matches = select(DagModel).where(DagModel.dag_id.in_(pipelines), *_filters(query))
    total = session.scalar(select(func.count()).select_from(matches.subquery())) or 0
    first = DagModel.dag_id.in_(waits).desc()
    ordered = matches.order_by(first, DagModel.dag_id).limit(query.limit).offset(query.offset)
    page = session.scalars(ordered.options(selectinload(DagModel.tags))).all()
    shown = [dag.dag_id for dag in page]
    runs, asked = _runs(session, shown), questions(session, shown)
    said = summaries(session, {dag_id: pipelines[dag_id] for dag_id in shown}) if with_xcoms else {}
    tags = select(DagTag.name).where(DagTag.dag_id.in_(pipelines)).distinct().order_by(DagTag.name)
    owners = session.scalars(select(DagModel.owners).where(DagModel.dag_id.in_(pipelines)).distinct())
    return HomeAnswer(
        total=total,
        offset=query.offset,
        waiting=len(waits),
        tags=list(session.scalars(tags)),
        owners=sorted({owner for each in owners for owner in _names(each)}),
        pipelines=[
            _card(
                dag,
                pipelines[dag.dag_id],
                runs=runs.get(dag.dag_id, []),
                questions=asked.get(dag.dag_id, []),
                summary=said.get(dag.dag_id),
            )
            for dag in page
        ],
    )


def _filters(query: HomeQuery) -> list[Any]:
    found: list[Any] = []
    if query.search:
        names: tuple[Any, ...] = (DagModel.dag_id, DagModel.dag_display_name)
        found.append(or_(*(name.icontains(query.search, autoescape=True) for name in names)))
    if query.tag:
        found.append(DagModel.dag_id.in_(select(DagTag.dag_id).where(DagTag.name == query.tag)))
    if query.owner:
        # Airflow joins them by comma and space.
        owners = literal(", ").concat(DagModel.owners).concat(",")
        found.append(owners.contains(f", {query.owner},", autoescape=True))
    if query.state:
        # Of a subquery for each DAG, Postgres walks the index of all runs: seconds where some DAG did not run lately.
        last = select(DagRun.dag_id, func.max(DagRun.run_after).label("at")).group_by(DagRun.dag_id).subquery()
        is_last = and_(last.c.dag_id == DagRun.dag_id, last.c.at == DagRun.run_after)
        found.append(DagModel.dag_id.in_(select(DagRun.dag_id).join(last, is_last).where(DagRun.state == query.state)))
    return found


def _runs(session: Session, pipelines: Sequence[str]) -> dict[str, list[RunAnswer]]:
    if not pipelines:
        return {}
    ids = newest_runs(pipelines, RUNS)
    newest_first = DagRun.run_after.desc(), DagRun.id.desc()
    runs = session.scalars(select(DagRun).join(ids, ids.c.id == DagRun.id).order_by(*newest_first)).all()
    states = stage_states(session, runs)
    found: dict[str, list[RunAnswer]] = {}
    for run in runs:
        found.setdefault(run.dag_id, []).append(
            RunAnswer(
                run_id=run.run_id,
                state=str(run.state),
                run_after=run.run_after,
                started=run.start_date,
                ended=run.end_date,
                stages=states.get((run.dag_id, run.run_id), {}),
            )
        )
    return found


def _card(
    dag: DagModel,
    pipeline: Pipeline,
    *,
    runs: list[RunAnswer],
    questions: list[QuestionAnswer],
    summary: SummaryAnswer | None,
) -> PipelineAnswer:
    shown = {stage.task_id for stage in pipeline.stages}
    for run in runs:
        run.stages = {task_id: state for task_id, state in run.stages.items() if task_id in shown}
    return PipelineAnswer(
        dag_id=dag.dag_id,
        name=dag.dag_display_name,
        description=one_line(dag.description or "", _SHOWN),
        tags=sorted(tag.name for tag in dag.tags),
        owners=_names(dag.owners),
        paused=bool(dag.is_paused),
        schedule=schedule_of(dag),
        next_run=dag.next_dagrun_create_after,
        problem=pipeline.problem,
        stages=[StageAnswer(task_id=stage.task_id, kind=stage.kind) for stage in pipeline.stages],
        runs=runs,
        questions=questions,
        summary=summary or SummaryAnswer(),
    )


def _names(owners: str | None) -> list[str]:
    return sorted({name for each in (owners or "").split(",") if (name := each.strip())})
