"""The routes; each asks Airflow whether the user may see the DAG, since a plugin's app is mounted without any check."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from airflow_ml_provider.plugin.plan import NoPlanError, plan_of

app = FastAPI(title="Machine learning", openapi_url=None, docs_url=None, redoc_url=None)

T = TypeVar("T")
_CLIENT_CLOSED = 499
_PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape())
# What a plan says is read from the pipeline's code.
_MAY_SEE = [Depends(requires_access_dag("GET")), Depends(requires_access_dag("GET", DagAccessEntity.CODE))]


@app.get("/api/dags/{dag_id}/plan", dependencies=_MAY_SEE)
async def plan(dag_id: str, request: Request) -> JSONResponse:
    """Return what ``airflow-ml plan --airflow --json`` says of a pipeline."""
    try:
        return JSONResponse(await _while_connected(request, plan_of(dag_id)))
    except NoPlanError as error:
        return JSONResponse({"detail": str(error)}, status_code=error.status, headers=_headers(error))


@app.get("/dags/{dag_id}/plan", dependencies=_MAY_SEE)
async def plan_page(dag_id: str, request: Request) -> HTMLResponse:
    """Return the same as a page."""
    page = _PAGES.get_template("plan.html")
    try:
        found = await _while_connected(request, plan_of(dag_id))
        return HTMLResponse(page.render(plan=found, problem=""))
    except NoPlanError as error:
        shown = page.render(plan=None, problem=str(error))
        return HTMLResponse(shown, status_code=error.status, headers=_headers(error))


def _headers(error: NoPlanError) -> dict[str, str]:
    return {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what work gives; it is cancelled when the client goes away."""
    asking, leaving = asyncio.create_task(work), asyncio.create_task(_left(request))
    try:
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            return asking.result()
        raise NoPlanError("the client is gone", status=_CLIENT_CLOSED)
    finally:
        asking.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    """Return when the client is gone.

    ``Request.is_disconnected`` does not wait, and so sees nothing behind Airflow's middleware.
    """
    while (await request.receive())["type"] != "http.disconnect":
        pass
