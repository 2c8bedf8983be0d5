"""What the next run of a pipeline would do, asked in a process of its own: the API server builds no DAG."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from airflow_ml_provider.dag_factory.environment import configured_environment
from airflow_ml_provider.plugin.shared_work import BusyError, SharedWork
from airflow_ml_provider.spec.loading.discovery import file_of

log = logging.getLogger(__name__)

SECONDS = 60.0
_MOST_TOLD = 4000
_COMMAND = "from airflow_ml_provider.cli.main import app; app()"
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
    """Return what ``airflow-ml plan --airflow --json`` says of a DAG's pipeline.

    A plan is made once for all who look at a version of the DAG, and ends with them.

    Raises:
        NoPlanError: There is no such DAG, it is not a pipeline, its files are not here, it has mistakes, or too many
            plans are asked for.
    """
    file, version = await asyncio.to_thread(_pipeline_file, dag_id)
    environment = configured_environment()

    async def work() -> dict[str, Any] | NoPlanError:
        return await _made(dag_id, file, environment)

    try:
        found = await _PLANS.result((dag_id, version, environment), work)
    except BusyError:
        raise NoPlanError(
            "too many plans are asked for; ask again in some seconds", status=429, retry_after=_RETRY_SECONDS
        ) from None
    if isinstance(found, NoPlanError):
        raise found
    return found


async def _made(dag_id: str, file: Path, environment: str | None) -> dict[str, Any] | NoPlanError:
    """Return a plan, or the mistakes of the pipeline."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-c", _COMMAND, "plan", str(file), "--airflow", "--json"),
        *(["--env", environment] if environment else []),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "_AIRFLOW_PROCESS_CONTEXT": "server"},
    )
    try:
        output, problem = await asyncio.wait_for(process.communicate(), SECONDS)
    except TimeoutError:
        raise NoPlanError(f"the plan of {dag_id!r} took longer than {SECONDS:.0f} s", status=504) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = problem.decode(errors="replace").strip()
    if process.returncode in (1, 2) and "Traceback" not in said:
        # The pipeline's mistakes, with their places.
        return NoPlanError(said[:_MOST_TOLD], status=409)
    if process.returncode != 0:
        log.error("The plan of %s could not be made:\n%s", dag_id, said)
        raise NoPlanError(f"the plan of {dag_id!r} could not be made; the API server's log says why", status=500)
    found: dict[str, Any] = json.loads(output)
    return found


def _pipeline_file(dag_id: str) -> tuple[Path, str]:
    """Return the file of a pipeline, and the version of its DAG."""
    from airflow.models.dag import DagModel
    from airflow.models.dag_version import DagVersion
    from airflow.utils.session import create_session

    with create_session() as session:
        model = session.get(DagModel, dag_id)
        if model is None:
            raise NoPlanError(f"there is no DAG {dag_id!r}", status=404)
        loader = Path(str(model.fileloc))
        latest = DagVersion.get_latest_version(dag_id, session=session)
        version = "" if latest is None else str(latest.id)
    files = file_of(loader.parent, dag_id)
    if not files:
        raise NoPlanError(
            f"no pipeline file of {dag_id!r} lies next to {loader.name} where the API server runs: the DAG is written "
            f"in Python, or its files are elsewhere; run 'airflow-ml plan --airflow' where they are",
            status=409,
        )
    return files[0], version
