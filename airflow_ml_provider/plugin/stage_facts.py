"""What stages said of themselves in XComs, read from Airflow's database: neither MLflow nor a store is asked.

Whoever may edit XComs may have written them: what has another form than a stage's is left out.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.models.xcom import XComModel
from sqlalchemy import Text, and_, case, cast, func, null, or_, select, tuple_, type_coerce

from airflow_ml_provider.protocol.plain_text import one_line

if TYPE_CHECKING:
    from sqlalchemy import Select, Subquery
    from sqlalchemy.orm import Session

_MOST_BYTES = 65_536
_MOST_IN_ALL = 4 * 1024 * 1024
_MOST_FACTS = 5_000
# A version that was rejected, or became challenger, does not hide the champion before it, nor one model another.
_VERDICTS = ("alias", "approval", "promoted", "name", "model")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One XCom of a stage.

    Attributes:
        dag_id: Its DAG.
        run_id: Its run.
        task_id: Its task.
        map_index: Its element, -1 of a task that is not mapped.
        key: The XCom's key.
        value: A JSON value; ``None`` where it is too large to be shown.
        at: When it was pushed.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    key: str
    value: Any
    at: datetime


def facts_of_runs(
    session: Session,
    runs: Collection[int],
    *,
    tasks: Collection[str],
    elements: Collection[tuple[str, int]] = (),
    key: str | None = None,
) -> list[Fact]:
    """Return the XComs of some runs, in the order in which they were pushed; of too much the last.

    Args:
        session: Of Airflow's database.
        runs: The ids of their rows.
        tasks: The tasks that are meant, where they are not mapped.
        elements: The elements of mapped tasks that are meant.
        key: The one key that is wanted; all by default.
    """
    if not runs or not tasks:
        return []
    meant = and_(XComModel.task_id.in_(tasks), XComModel.map_index < 0)
    if elements:
        meant = or_(meant, tuple_(XComModel.task_id, XComModel.map_index).in_(elements))
    asked = (
        select(*_columns())
        .where(XComModel.dag_run_id.in_(runs), meant)
        .order_by(XComModel.timestamp.desc(), XComModel.task_id, XComModel.key)
        .limit(_MOST_FACTS)
    )
    return _read(session, asked if key is None else asked.where(XComModel.key == key))[::-1]


def newest_facts(
    session: Session, *, runs: Subquery, keys_by_task: Mapping[tuple[str, str], Sequence[str]]
) -> list[Fact]:
    """Return of each task and key the XCom that was pushed last in some runs, of each verdict that one may hold.

    Args:
        session: Of Airflow's database.
        runs: Ids of rows of runs, in a column ``id``.
        keys_by_task: The keys that are wanted, by DAG and task.
    """
    if not keys_by_task:
        return []
    asked = or_(
        *(
            and_(XComModel.dag_id == dag_id, XComModel.task_id == task_id, XComModel.key.in_(keys))
            for (dag_id, task_id), keys in keys_by_task.items()
        )
    )
    verdicts = (XComModel.value[key].as_string() for key in _VERDICTS)
    same_kind = XComModel.dag_id, XComModel.task_id, XComModel.key, *verdicts
    place = func.row_number().over(partition_by=same_kind, order_by=XComModel.timestamp.desc())
    ranked = (
        select(XComModel.dag_run_id, XComModel.task_id, XComModel.map_index, XComModel.key, place.label("place"))
        .join(runs, runs.c.id == XComModel.dag_run_id)
        .where(asked)
        .subquery()
    )
    same = and_(
        ranked.c.dag_run_id == XComModel.dag_run_id,
        ranked.c.task_id == XComModel.task_id,
        ranked.c.map_index == XComModel.map_index,
        ranked.c.key == XComModel.key,
    )
    return _read(session, select(*_columns()).join(ranked, same).where(ranked.c.place == 1))


def _columns() -> tuple[Any, ...]:
    length = func.coalesce(func.length(cast(XComModel.value, Text)), 0)
    value = type_coerce(case((length <= _MOST_BYTES, XComModel.value), else_=null()), XComModel.value.type)
    of = XComModel
    return of.dag_id, of.run_id, of.task_id, of.map_index, of.key, value.label("value"), length, of.timestamp


def _read(session: Session, asked: Select[Any]) -> list[Fact]:
    found, size = [], 0
    for dag, run, task, index, key, value, length, at in session.execute(asked.execution_options(yield_per=100)):
        size += length if value is not None else 0
        if size > _MOST_IN_ALL:
            break
        found.append(Fact(dag_id=dag, run_id=run, task_id=task, map_index=index, key=key, value=_plain(value), at=at))
    return found


def _plain(value: Any) -> Any:
    """Return a value that Airflow's API kept as JSON in a text, as one; tasks leave JSON itself."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def text_of(value: Any, length: int = 200) -> str:
    """Return a text, or a number as one, as it may stand in an answer; empty of anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return one_line(str(value), length)


def texts_of(value: Any, *, at_most: int = 20) -> list[str]:
    """Return the texts of a list."""
    return [found for each in value[:at_most] if (found := text_of(each, 300))] if isinstance(value, list) else []


def address_of(value: Any) -> str:
    """Return an address of the web; empty where it is anything else, such as code."""
    if not isinstance(value, str) or len(value) > 2000 or not value.isprintable():
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc else ""


def mapping_of(value: Any) -> Mapping[str, Any]:
    """Return a mapping; an empty one of anything else."""
    return value if isinstance(value, Mapping) else {}
