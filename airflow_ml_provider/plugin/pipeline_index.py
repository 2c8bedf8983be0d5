"""Which DAGs are pipelines, and the stages that each has, from what their last parse left in Airflow's database."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from airflow.models.dag import DagModel
from airflow.models.serialized_dag import SerializedDagModel
from cachetools import LRUCache
from sqlalchemy import Text, and_, case, cast, func, or_, select

from airflow_ml_provider.dag_factory.broken import MISTAKES
from airflow_ml_provider.kind_registry import BUILT_IN
from airflow_ml_provider.protocol.plain_text import one_line
from airflow_ml_provider.spec.order import upstream_first
from airflow_ml_provider.tasks.noted_stage import NOTE

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

_MODULE = "airflow_ml_provider.operators."
_AT_ONCE = 500
_DEFAULT_CONNECTION = "mlflow_default"
_KEPT = 20_000
_KINDS = {found.operator.rpartition(":")[2]: kind for kind, found in BUILT_IN.items()}


@dataclass(frozen=True)
class Stage:
    """A stage of a pipeline, as a page shows it.

    Attributes:
        task_id: Its task.
        kind: Its kind.
        upstream: The stages before it, whatever tasks of other kinds are between.
        inputs: Where each of its inputs comes from, as people see it.
        mlflow_conn_id: Its MLflow connection, empty where it is not tracked or says none.
    """

    task_id: str
    kind: str
    upstream: tuple[str, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    mlflow_conn_id: str = ""


@dataclass(frozen=True)
class Pipeline:
    """A DAG that has stages, or whose file has mistakes.

    Attributes:
        stages: Upstream first.
        problem: The first of its file's mistakes, empty where there is none.
    """

    stages: tuple[Stage, ...]
    problem: str = ""


class PipelineIndex:
    """Knows the DAGs that are pipelines; reads each version of a DAG once.

    A DAG's version is its hash, so what was read of it holds for as long as the process lives.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: LRUCache[str, Pipeline | None] = LRUCache(_KEPT)

    def pipelines(self, session: Session, dag_ids: Iterable[str]) -> dict[str, Pipeline]:
        """Return those of some DAGs that are pipelines, by their newest version."""
        newest = _newest(session, dag_ids)
        with self._lock:
            known = {found: self._kept[found] for found in newest.values() if found in self._kept}
        read = _read(session, sorted(set(newest.values()) - known.keys()))
        with self._lock:
            self._kept.update(read)
        found = known | read
        return {dag_id: pipeline for dag_id, each in newest.items() if (pipeline := found.get(each)) is not None}


PIPELINES = PipelineIndex()
"""What this process knows."""


def pipeline_of(data: Mapping[str, Any]) -> Pipeline | None:
    """Return what a serialized DAG says of its pipeline, ``None`` where it has no stage."""
    tasks = {task["task_id"]: task for each in data.get("dag", {}).get("tasks", []) if (task := each.get("__var"))}
    if problem := next((found for task in tasks.values() if (found := task.get(MISTAKES))), ""):
        return Pipeline((), one_line(str(problem).splitlines()[0]))
    stages = {task_id: stage for task_id, task in tasks.items() if (stage := _stage(task))}
    upstream: dict[str, list[str]] = {task_id: [] for task_id in tasks}
    for task_id, task in tasks.items():
        for below in tasks.keys() & task.get("downstream_task_ids", []):
            upstream[below].append(task_id)
    found, before = [], dict[str, set[str]]()
    for task_id in upstream_first(upstream):
        above = set[str]().union(*({each} if each in stages else before[each] for each in upstream[task_id]))
        before[task_id] = above
        if stage := stages.get(task_id):
            found.append(replace(stage, upstream=tuple(sorted(above))))
    return Pipeline(tuple(found)) if found else None


def _stage(task: Mapping[str, Any]) -> Stage | None:
    """Return the stage that a serialized task is, ``None`` where it is none."""
    task_id = str(task["task_id"])
    if note := task.get(NOTE):
        try:
            noted = json.loads(note)
            inputs = tuple((str(name), str(value)) for name, value in noted.get("inputs", {}).items())
            return Stage(task_id, str(noted["kind"]), inputs=inputs, mlflow_conn_id=str(noted.get("mlflow", "")))
        except (AttributeError, ValueError, KeyError, TypeError):
            log.warning("The note of task %r cannot be read: it is shown as no stage", task_id)
            return None
    if not str(task.get("_task_module", "")).startswith(_MODULE):
        return None
    kind = _KINDS.get(str(task.get("task_type", "")).removeprefix("Decorated"), "")
    if not kind:
        return None
    # A mapped task has no note; what it was given is there, unless that is the default.
    given = task.get("partial_kwargs", {})
    conn_id = given.get("mlflow_conn_id", _DEFAULT_CONNECTION) if task.get("_is_mapped") else ""
    return Stage(task_id, kind, mlflow_conn_id=str(conn_id or ""))


def _newest(session: Session, dag_ids: Iterable[str]) -> dict[str, str]:
    wanted = set(dag_ids)
    last = select(SerializedDagModel.dag_id, func.max(SerializedDagModel.created_at).label("at"))
    last = last.group_by(SerializedDagModel.dag_id)
    if len(wanted) <= _AT_ONCE:
        last = last.where(SerializedDagModel.dag_id.in_(wanted))
    newest = last.subquery()
    found = session.execute(
        select(SerializedDagModel.dag_id, SerializedDagModel.dag_hash)
        .join(newest, and_(newest.c.dag_id == SerializedDagModel.dag_id, newest.c.at == SerializedDagModel.created_at))
        .join(DagModel, DagModel.dag_id == SerializedDagModel.dag_id)
        .where(DagModel.is_stale.is_(False))
    )
    return {dag_id: dag_hash for dag_id, dag_hash in found if dag_id in wanted}


def _read(session: Session, hashes: list[str]) -> dict[str, Pipeline | None]:
    """Return what versions of DAGs are; those that are there no more are left out.

    The database looks for a text first, so that DAGs without stages are not read.
    """
    dag_hash, data, packed = SerializedDagModel.dag_hash, SerializedDagModel._data, SerializedDagModel._data_compressed
    text = cast(data, Text)
    named = or_(packed.is_not(None), *(text.contains(each) for each in (f'"{NOTE}"', f'"{MISTAKES}"', _MODULE)))
    found: dict[str, Pipeline | None] = {}
    for start in range(0, len(hashes), _AT_ONCE):
        some = dag_hash.in_(hashes[start : start + _AT_ONCE])
        looked_at = session.execute(select(dag_hash, case((named, 1), else_=0)).where(some)).all()
        found.update({each: None for each, is_named in looked_at if not is_named})
        named_ones = dag_hash.in_([each for each, is_named in looked_at if is_named])
        for each, plain, compressed in session.execute(select(dag_hash, data, packed).where(named_ones)):
            found[each] = pipeline_of(json.loads(zlib.decompress(compressed)) if compressed else plain)
    return found
