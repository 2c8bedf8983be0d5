"""The routes; each asks Airflow whether the user may see the DAG, since a plugin's app is mounted without any check."""

from __future__ import annotations

from pathlib import Path

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from airflow_ml_provider.plugin.plan import NoPlanError, plan_of

app = FastAPI(title="Machine learning", openapi_url=None, docs_url=None, redoc_url=None)

_PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape())
# What a plan says is read from the pipeline's code.
_MAY_SEE = [Depends(requires_access_dag("GET")), Depends(requires_access_dag("GET", DagAccessEntity.CODE))]


@app.get("/api/dags/{dag_id}/plan", dependencies=_MAY_SEE)
async def plan(dag_id: str) -> JSONResponse:
    """Return what ``airflow-ml plan --airflow --json`` says of a pipeline."""
    try:
        return JSONResponse(await plan_of(dag_id))
    except NoPlanError as error:
        return JSONResponse({"detail": str(error)}, status_code=error.status)


@app.get("/dags/{dag_id}/plan", dependencies=_MAY_SEE)
async def plan_page(dag_id: str) -> HTMLResponse:
    """Return the same as a page."""
    page = _PAGES.get_template("plan.html")
    try:
        return HTMLResponse(page.render(plan=await plan_of(dag_id), problem=""))
    except NoPlanError as error:
        return HTMLResponse(page.render(plan=None, problem=str(error)), status_code=error.status)
