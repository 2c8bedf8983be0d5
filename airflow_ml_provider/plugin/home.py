"""The cards of pipelines, from Airflow's database alone: neither MLflow nor a store is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.models.dag import DagModel, DagTag
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import and_, func, literal, or_, select, union_all
from sqlalchemy.orm import selectinload

from airflow_ml_provider.plugin.home_answers import (
    HomeAnswer,
    PipelineAnswer,
    QuestionAnswer,
    RunAnswer,
    StageAnswer,
)
from airflow_ml_provider.plugin.open_questions import questions, waiting
from airflow_ml_provider.plugin.pipeline_index import PIPELINES
from airflow_ml_provider.plugin.pipeline_summary import KEYS, add_gates, summary_of
from airflow_ml_provider.plugin.stage_facts import facts_of_runs, newest_facts
from airflow_ml_provider.plugin.summary_answers import SummaryAnswer
from airflow_ml_provider.plugin.task_states import says_most
from airflow_ml_provider.protocol.plain_text import one_line

if TYPE_CHECKING:
    from sqlalchemy import Subquery
    from sqlalchemy.orm import Session

    from airflow_ml_provider.plugin.pipeline_index import Pipeline
    from airflow_ml_provider.plugin.stage_facts import Fact

RUNS = 12
SUMMARY_RUNS = 50
_SHOWN = 500
# As Airflow says a schedule that there is not.
_NEVER = "None"


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
    summaries = _summaries(session, {dag_id: pipelines[dag_id] for dag_id in shown}) if with_xcoms else {}
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
                summary=summaries.get(dag.dag_id),
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
    ids = _newest_runs(pipelines, RUNS)
    newest_first = DagRun.run_after.desc(), DagRun.id.desc()
    runs = session.scalars(select(DagRun).join(ids, ids.c.id == DagRun.id).order_by(*newest_first)).all()
    states = _stage_states(session, runs)
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


def _newest_runs(pipelines: Iterable[str], count: int) -> Subquery:
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


def _summaries(session: Session, pipelines: Mapping[str, Pipeline]) -> dict[str, SummaryAnswer]:
    keys = {
        (dag_id, stage.task_id): KEYS[stage.kind]
        for dag_id, pipeline in pipelines.items()
        for stage in pipeline.stages
        if stage.kind in KEYS
    }
    if not keys:
        return {}
    runs = _newest_runs({dag_id for dag_id, _ in keys}, SUMMARY_RUNS)
    facts: dict[str, list[Fact]] = {}
    for fact in newest_facts(session, runs=runs, keys_by_task=keys):
        facts.setdefault(fact.dag_id, []).append(fact)
    found = {dag_id: summary_of(each) for dag_id, each in facts.items()}
    runs_of_champions = {(dag_id, each.run_id) for dag_id, summary in found.items() for each in summary.champions}
    registered = facts_of_runs(session, runs_of_champions, key="model")
    for dag_id, summary in found.items():
        kinds = {stage.task_id: stage.kind for stage in pipelines[dag_id].stages}
        own = [fact for fact in registered if fact.dag_id == dag_id and kinds.get(fact.task_id) == "register"]
        add_gates(summary.champions, own)
    return found


def _stage_states(session: Session, runs: Sequence[DagRun]) -> dict[tuple[str, str], dict[str, str]]:
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
        schedule=dag.timetable_summary if dag.timetable_summary not in (None, _NEVER) else "",
        next_run=dag.next_dagrun_create_after,
        problem=pipeline.problem,
        stages=[StageAnswer(task_id=stage.task_id, kind=stage.kind) for stage in pipeline.stages],
        runs=runs,
        questions=questions,
        summary=summary or SummaryAnswer(),
    )


def _names(owners: str | None) -> list[str]:
    return sorted({name for each in (owners or "").split(",") if (name := each.strip())})
