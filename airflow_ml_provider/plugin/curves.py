"""Params and metrics by step of a stage's run in MLflow, while it trains and after: asked once for all who look."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any

from airflow.models.connection import Connection
from airflow.models.dagrun import DagRun
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.utils.session import create_session
from pydantic import BaseModel, Field
from sqlalchemy import select

from airflow_ml_provider.errors import MlflowAuthorizationError, MlflowError
from airflow_ml_provider.mlflow_api.client import MlflowClient
from airflow_ml_provider.mlflow_api.server import MlflowServer
from airflow_ml_provider.plugin.pipeline_index import PIPELINES
from airflow_ml_provider.plugin.shared_work import BusyError, SharedWork
from airflow_ml_provider.plugin.stage_details import mlflow_run_of
from airflow_ml_provider.plugin.stage_facts import facts_of_runs
from airflow_ml_provider.protocol.plain_text import one_line
from airflow_ml_provider.tracking.metric_curves import metric_history

CURVES, POINTS = 24, 300
"""How many metrics are shown, and how many points of each."""
_MOST_READ = 10_000
_TIMEOUT_SECONDS = 5.0
_SECONDS = 10.0
"""After so long no further metric is read."""
_KEPT_SECONDS = 3.0
_THREADS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="ml-curves")


class CurveAnswer(BaseModel):
    """A metric by step."""

    name: str
    points: list[tuple[int, float]] = Field(description="Step and value, in the order of steps, 300 at most")
    whole: bool = Field(description="Whether all values were read: of too many the first 10,000, and the last")


class CurvesAnswer(BaseModel):
    """What MLflow has of a stage's run."""

    params: dict[str, str]
    curves: list[CurveAnswer] = Field(description="Of metrics that were logged more than once; the system's come last")
    left_out: int = Field(description="How many metrics are not shown, since they are too many or MLflow was slow")


class NoCurvesError(Exception):
    """There is nothing to show.

    Attributes:
        status: The HTTP status that says so.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


_FOUND: SharedWork[CurvesAnswer | NoCurvesError] = SharedWork(at_once=4, waiting=28, seconds=_KEPT_SECONDS, kept=256)


async def curves_of(dag_id: str, run_id: str, task_id: str, map_index: int) -> CurvesAnswer:
    """Return what MLflow has of a task instance's run.

    Raises:
        NoCurvesError: It has no run in MLflow, MLflow does not answer, or too much is asked for.
    """

    async def work() -> CurvesAnswer | NoCurvesError:
        try:
            return await asyncio.get_running_loop().run_in_executor(_THREADS, _read, dag_id, run_id, task_id, map_index)
        except NoCurvesError as error:
            return error

    try:
        found = await _FOUND.result((dag_id, run_id, task_id, map_index), work)
    except BusyError:
        raise NoCurvesError("too many runs of MLflow are asked for; ask again in some seconds", status=429) from None
    if isinstance(found, NoCurvesError):
        raise found
    return found


def _read(dag_id: str, run_id: str, task_id: str, map_index: int) -> CurvesAnswer:
    with create_session() as session:
        pipeline = PIPELINES.pipelines(session, [dag_id]).get(dag_id)
        runs = session.scalars(select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).all()
        elements = [(task_id, map_index)] if map_index >= 0 else []
        facts = facts_of_runs(session, runs, tasks=[task_id], elements=elements, key="mlflow_run_url")
        own = (fact.value for fact in facts if fact.map_index == map_index)
        mlflow_run = mlflow_run_of(next(own, None))
        stages = pipeline.stages if pipeline else ()
        conn_id = next((stage.mlflow_conn_id for stage in stages if stage.task_id == task_id), "")
    if not mlflow_run or not conn_id:
        raise NoCurvesError("this task has no run in MLflow", status=404)
    try:
        client = MlflowClient(replace(_server(conn_id), timeout=_TIMEOUT_SECONDS), attempts=1)
        run = client.get_run(mlflow_run)
        tags = {str(tag["key"]): str(tag["value"]) for tag in run["data"].get("tags", [])}
        # Who may edit XComs could ask for the run of another pipeline.
        if (tags.get("airflow_ml.pipeline"), tags.get("airflow_ml.dag_run")) != (dag_id, run_id):
            raise NoCurvesError("this task has no run in MLflow", status=404)
        curves, left_out = _curves(client, mlflow_run, run)
        return CurvesAnswer(params=_params(run), curves=curves, left_out=left_out)
    except (MlflowError, MlflowAuthorizationError) as error:
        raise NoCurvesError(one_line(str(error)), status=503) from error


def _server(conn_id: str) -> MlflowServer:
    try:
        found = Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException as error:
        raise NoCurvesError(f"connection {conn_id!r} does not exist", status=404) from error
    return MlflowServer.of_connection(conn_id, found)


def _params(run: Mapping[str, Any]) -> dict[str, str]:
    params = run["data"].get("params", [])
    return {one_line(str(each["key"]), 200): one_line(str(each["value"]), 300) for each in params[:200]}


def _curves(client: MlflowClient, run_id: str, run: Mapping[str, Any]) -> tuple[list[CurveAnswer], int]:
    """Return the metrics of a run that have steps, and how many more there are."""
    until = time.monotonic() + _SECONDS
    latest = {str(entry["key"]): entry for entry in run["data"].get("metrics", []) if int(entry.get("step", 0)) > 0}
    keys = sorted(latest, key=lambda key: (key.startswith("system/"), key))
    found: list[CurveAnswer] = []
    for number, key in enumerate(keys):
        if number == CURVES or time.monotonic() > until:
            return found, len(keys) - number
        read = [(point.step, float(point.value)) for point in islice(metric_history(client, run_id, key), _MOST_READ)]
        last = int(latest[key]["step"]), float(latest[key]["value"])
        steps = {step: value for step, value in (*read, last) if math.isfinite(value)}
        if len(steps) > 1:
            points = thinned(sorted(steps.items()))
            found.append(CurveAnswer(name=one_line(key, 200), points=points, whole=len(read) < _MOST_READ))
    return found, 0


def thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return points as many as are shown: of more, the least and the greatest value of each stretch, and both ends."""
    if len(points) <= POINTS:
        return list(points)
    stretches = POINTS // 2 - 1
    kept = {0, len(points) - 1}
    for number in range(stretches):
        places = range(number * len(points) // stretches, (number + 1) * len(points) // stretches)
        kept |= {min(places, key=lambda place: points[place][1]), max(places, key=lambda place: points[place][1])}
    return [points[place] for place in sorted(kept)]
