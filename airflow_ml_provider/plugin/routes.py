"""The routes; each asks Airflow whether the user may see the DAG, since a plugin's app is mounted without any check."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, select_autoescape

from airflow_ml_provider.plugin.curves import CurvesAnswer, NoCurvesError, curves_of
from airflow_ml_provider.plugin.home import HomeQuery, home
from airflow_ml_provider.plugin.home_answers import HomeAnswer
from airflow_ml_provider.plugin.pipeline_answers import PipelinePageAnswer
from airflow_ml_provider.plugin.pipeline_page import pipeline_page
from airflow_ml_provider.plugin.plan import NoPlanError, plan_of
from airflow_ml_provider.plugin.run_answers import RunPageAnswer
from airflow_ml_provider.plugin.run_page import run_page

app = FastAPI(title="Machine learning", openapi_url="/api/openapi.json", docs_url=None, redoc_url=None)
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "www" / "dist"), name="static")

T = TypeVar("T")
_CLIENT_CLOSED = 499
_PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape())
# What a plan says is read from the pipeline's code.
_MAY_SEE = [Depends(requires_access_dag("GET")), Depends(requires_access_dag("GET", DagAccessEntity.CODE))]

_RUN_ENTITIES = DagAccessEntity.RUN, DagAccessEntity.TASK, DagAccessEntity.TASK_INSTANCE, DagAccessEntity.HITL_DETAIL
_MAY_SEE_RUNS = [Depends(requires_access_dag("GET", entity)) for entity in (None, *_RUN_ENTITIES)]


def _may_list(user: GetUserDep) -> None:
    """Ask for the rights that Airflow's own list of DAGs asks for, and those of tasks.

    Airflow's own dependency takes a ``dag_id`` from the query, which would be asked about in place of all.
    """
    manager = get_auth_manager()
    may = (manager.is_authorized_dag(method="GET", access_entity=each, user=user) for each in (None, *_RUN_ENTITIES))
    if not all(may):
        raise HTTPException(403, "Forbidden")


def _may_read_xcoms(dag_id: str, *, user: BaseUser) -> bool:
    return get_auth_manager().is_authorized_dag(
        method="GET", access_entity=DagAccessEntity.XCOM, details=DagDetails(id=dag_id), user=user
    )


@app.get("/api/pipelines", dependencies=[Depends(_may_list)])
def pipelines(
    *,
    session: SessionDep,
    user: GetUserDep,
    search: Annotated[str, Query(max_length=250, description="A part of the id or the name")] = "",
    tag: Annotated[str, Query(max_length=250, description="A tag that they have")] = "",
    owner: Annotated[str, Query(max_length=250, description="An owner that they have")] = "",
    state: Annotated[Literal["", "queued", "running", "success", "failed"], Query(description="Of the last run")] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 24,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> HomeAnswer:
    """Return the cards of the pipelines that the user may see."""
    query = HomeQuery(search=search, tag=tag, owner=owner, state=state, limit=limit, offset=offset)
    manager = get_auth_manager()
    with_xcoms = manager.is_authorized_dag(method="GET", access_entity=DagAccessEntity.XCOM, user=user)
    readable = manager.get_authorized_dag_ids(user=user, session=session)
    return home(session, readable, query, with_xcoms=with_xcoms)


@app.get("/api/dags/{dag_id}", dependencies=_MAY_SEE_RUNS)
def pipeline(
    *,
    dag_id: str,
    session: SessionDep,
    user: GetUserDep,
    limit: Annotated[int, Query(ge=1, le=50, description="How many runs")] = 25,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    compare: Annotated[list[str], Query(max_length=6, description="Ids of runs that are wanted too")] = [],  # noqa: B006
) -> PipelinePageAnswer:
    """Return a pipeline with its newest runs: what each stage measured, made and said in each."""
    with_xcoms = _may_read_xcoms(dag_id, user=user)
    found = pipeline_page(session, dag_id=dag_id, limit=limit, offset=offset, compared=compare, with_xcoms=with_xcoms)
    if found is None:
        raise HTTPException(404, f"DAG {dag_id!r} does not exist")
    return found


@app.get("/api/dags/{dag_id}/runs/{run_id}", dependencies=_MAY_SEE_RUNS)
def run(*, dag_id: str, run_id: str, session: SessionDep, user: GetUserDep) -> RunPageAnswer:
    """Return a run of a pipeline: its stages, their states, and what they said."""
    found = run_page(session, dag_id=dag_id, run_id=run_id, with_xcoms=_may_read_xcoms(dag_id, user=user))
    if found is None:
        raise HTTPException(404, f"DAG {dag_id!r} has no run {run_id!r}")
    return found


@app.get(
    "/api/dags/{dag_id}/runs/{run_id}/stages/{task_id}/curves",
    dependencies=[*_MAY_SEE_RUNS, Depends(requires_access_dag("GET", DagAccessEntity.XCOM))],
)
async def curves(
    *, dag_id: str, run_id: str, task_id: str, map_index: Annotated[int, Query(ge=-1)] = -1, request: Request
) -> CurvesAnswer:
    """Return params, and metrics by step, that MLflow has of a stage's run."""
    try:
        return await _while_connected(request, curves_of(dag_id, run_id, task_id, map_index))
    except NoCurvesError as error:
        raise HTTPException(error.status, str(error)) from error


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
        raise HTTPException(_CLIENT_CLOSED, "the client is gone")
    finally:
        asking.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    """Return when the client is gone.

    ``Request.is_disconnected`` does not wait, and so sees nothing behind Airflow's middleware.
    """
    while (await request.receive())["type"] != "http.disconnect":
        pass
