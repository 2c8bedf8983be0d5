"""What the next run of a pipeline would do, from what its last parse noted: no file of it is read here.

A process of its own makes the plan, since the store is asked and templates are rendered.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from typing import Any

from airflow_ml_provider.dag_factory.broken import MISTAKES
from airflow_ml_provider.dag_factory.forecast import NotedPipeline
from airflow_ml_provider.plugin.shared_work import BusyError, SharedWork
from airflow_ml_provider.protocol.plain_text import printable

log = logging.getLogger(__name__)

SECONDS = 60.0
_MOST_TOLD = 4000
_COMMAND = "from airflow_ml_provider.dag_factory.forecast import main; main()"
_RETRY_SECONDS = 5
_KEPT_SECONDS = 15.0
"""As old may be what a plan says of the store."""


class NoPlanError(Exception):
    """There is no plan of a DAG.

    Attributes:
        status: The HTTP status that says so.
        retry_after: In how many seconds to ask again, ``None`` where that does not help.
    """

    def __init__(self, message: str, *, status: int, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


_PLANS: SharedWork[dict[str, Any] | NoPlanError] = SharedWork(at_once=2, waiting=8, seconds=_KEPT_SECONDS, kept=64)


async def plan_of(dag_id: str) -> dict[str, Any]:
    """Return what ``airflow-ml plan --airflow --json`` says of a DAG's stages, from what was noted at its last parse.

    A plan is made once for all who look at a version of the DAG, and ends with them.

    Raises:
        NoPlanError: There is no such DAG, it has no stage, its file has mistakes, or too many plans are asked for.
    """
    version = await asyncio.to_thread(_version, dag_id)

    async def work() -> dict[str, Any] | NoPlanError:
        try:
            return await _made(dag_id, await asyncio.to_thread(_noted, dag_id))
        except NoPlanError as error:
            return error

    try:
        found = await _PLANS.result((dag_id, version), work)
    except BusyError:
        raise NoPlanError(
            "too many plans are asked for; ask again in some seconds", status=429, retry_after=_RETRY_SECONDS
        ) from None
    if isinstance(found, NoPlanError):
        raise found
    return found


async def _made(dag_id: str, noted: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-c", _COMMAND),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "_AIRFLOW_PROCESS_CONTEXT": "server", "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL"},
    )
    try:
        output, problem = await asyncio.wait_for(process.communicate(noted.encode()), SECONDS)
    except TimeoutError:
        raise NoPlanError(f"the plan of {dag_id!r} took longer than {SECONDS:.0f} s", status=504) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        log.error("The plan of %s could not be made:\n%s", dag_id, problem.decode(errors="replace").strip())
        raise NoPlanError(f"the plan of {dag_id!r} could not be made; the API server's log says why", status=500)
    found: dict[str, Any] = json.loads(output)
    if "unavailable" in found:
        raise NoPlanError(str(found["unavailable"]), status=503, retry_after=_RETRY_SECONDS)
    return found


def _version(dag_id: str) -> str:
    """Return what tells one parse of a DAG from another, without reading the DAG."""
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    newest = select(SerializedDagModel.dag_hash).where(SerializedDagModel.dag_id == dag_id)
    with create_session() as session:
        found = session.scalar(newest.order_by(SerializedDagModel.created_at.desc()).limit(1))
    if found is None:
        raise NoPlanError(f"there is no DAG {dag_id!r}", status=404)
    return str(found)


def _noted(dag_id: str) -> str:
    """Return what is noted of a DAG's stages, as JSON."""
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        model = SerializedDagModel.get(dag_id, session=session)
        if model is None:
            raise NoPlanError(f"there is no DAG {dag_id!r}", status=404)
        dag = model.dag
    if problems := next((found for task in dag.tasks if (found := getattr(task, MISTAKES, None))), None):
        raise NoPlanError(printable(problems)[:_MOST_TOLD], status=409)
    noted = NotedPipeline.of(dag, params=dag.params.dump())
    if not noted.notes:
        raise NoPlanError(
            f"no task of {dag_id!r} is a stage of this provider; one that was just installed sees them once the DAG is "
            f"parsed again",
            status=409,
        )
    return noted.to_json()
