"""Questions to people that nobody has answered, such as an approve stage's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import and_, select

from airflow_ml_provider.plugin.home_answers import QuestionAnswer
from airflow_ml_provider.protocol.plain_text import one_line

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_QUESTIONS = 5


def _unanswered() -> Any:
    return and_(
        HITLDetail.responded_at.is_(None),
        TaskInstance.state.in_((TaskInstanceState.DEFERRED, TaskInstanceState.AWAITING_INPUT)),
    )


def waiting(session: Session, pipelines: Iterable[str]) -> set[str]:
    """Return the pipelines that wait for an answer."""
    asked = select(TaskInstance.dag_id).join(HITLDetail, HITLDetail.ti_id == TaskInstance.id).where(_unanswered())
    return set(session.scalars(asked.distinct())) & set(pipelines)


def questions(
    session: Session, pipelines: Iterable[str], *, run_id: str | None = None
) -> dict[str, list[QuestionAnswer]]:
    """Return the oldest questions of pipelines.

    Args:
        session: Of Airflow's database.
        pipelines: Their DAGs.
        run_id: The one run that is meant; all by default.
    """
    found: dict[str, list[QuestionAnswer]] = {}
    task = TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index
    asked = (
        select(*task, HITLDetail.subject, HITLDetail.created_at)
        .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
        .where(_unanswered(), TaskInstance.dag_id.in_(pipelines))
        .order_by(HITLDetail.created_at)
    )
    asked = asked if run_id is None else asked.where(TaskInstance.run_id == run_id)
    for dag_id, of_run, task_id, map_index, subject, at in session.execute(asked):
        of_dag = found.setdefault(dag_id, [])
        if len(of_dag) < _QUESTIONS:
            said = one_line(subject)
            of_dag.append(QuestionAnswer(run_id=of_run, task_id=task_id, map_index=map_index, subject=said, asked=at))
    return found
