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
from airflow_ml_provider.spec.loading.discovery import file_of

log = logging.getLogger(__name__)

SECONDS = 60.0
_MOST_TOLD = 4000
_COMMAND = "from airflow_ml_provider.cli.main import app; app()"
_AT_ONCE = asyncio.Semaphore(2)


class NoPlanError(Exception):
    """There is no plan of a DAG.

    Attributes:
        status: The HTTP status that says so.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


async def plan_of(dag_id: str) -> dict[str, Any]:
    """Return what ``airflow-ml plan --airflow --json`` says of a DAG's pipeline.

    Raises:
        NoPlanError: There is no such DAG, it is not a pipeline, its files are not here, or it has mistakes.
    """
    file = await asyncio.to_thread(_pipeline_file, dag_id)
    environment = configured_environment()
    async with _AT_ONCE:
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
            process.kill()
            await process.wait()
            raise NoPlanError(f"the plan of {dag_id!r} took longer than {SECONDS:.0f} s", status=504) from None
    said = problem.decode(errors="replace").strip()
    if process.returncode in (1, 2) and "Traceback" not in said:
        # The pipeline's mistakes, with their places.
        raise NoPlanError(said[:_MOST_TOLD], status=409)
    if process.returncode != 0:
        log.error("The plan of %s could not be made:\n%s", dag_id, said)
        raise NoPlanError(f"the plan of {dag_id!r} could not be made; the API server's log says why", status=500)
    found: dict[str, Any] = json.loads(output)
    return found


def _pipeline_file(dag_id: str) -> Path:
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        model = session.get(DagModel, dag_id)
        if model is None:
            raise NoPlanError(f"there is no DAG {dag_id!r}", status=404)
        loader = Path(str(model.fileloc))
    files = file_of(loader.parent, dag_id)
    if not files:
        raise NoPlanError(
            f"no pipeline file of {dag_id!r} lies next to {loader.name} where the API server runs: the DAG is written "
            f"in Python, or its files are elsewhere; run 'airflow-ml plan --airflow' where they are",
            status=409,
        )
    return files[0]
