"""What a run on this machine would do, stage by stage; nothing is written."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.attempts.run_context import RunContext
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.execution.stage_request import stage_request
from airflow_ml_provider.local.connections import EnvironmentConnections
from airflow_ml_provider.local.flow import StageFlow
from airflow_ml_provider.local.preparation import as_local, local_settings, param_values
from airflow_ml_provider.local.tasks import LocalTask, local_tasks
from airflow_ml_provider.local.templates import TemplateFailedError, Templates
from airflow_ml_provider.local.world import LocalFlow, LoggedEvents, MemoryOutputs, NoRuns, NotedState
from airflow_ml_provider.reuse.forecast import Forecast, ReadingStore, StageForecast, UnknownUntilRunError
from airflow_ml_provider.reuse.stage_reuse import StageReuse
from airflow_ml_provider.spec.order import in_order
from airflow_ml_provider.spec.pipeline import SOURCES, PipelineSpec
from airflow_ml_provider.spec.references import Reference

log = logging.getLogger(__name__)

NO_RUN = "_plan"


def local_forecast(spec: PipelineSpec, *, base_folder: Path, home: Path) -> dict[str, StageForecast]:
    """Return what would become of each stage, in the order of the run.

    Args:
        spec: The pipeline.
        base_folder: Where its relative paths start.
        home: The folder of local runs.

    Raises:
        StoreAwayError: The artifact store did not answer.
        StageConfigurationError: A setting in the environment is not one of those allowed.
    """
    here = as_local(spec, left_out=spec.stages)
    tasks = local_tasks(here, base_folder=base_folder, results={}, to_run=False)
    templates = Templates(params=param_values(here), logical_date=None, environment=os.environ)
    found, forecast = {}, Forecast()
    for name in in_order(here):
        run = _run(here, name, home, tasks)
        try:
            found[name] = _stage(tasks[name], run, templates, forecast)
        except UnknownUntilRunError as error:
            found[name] = StageForecast("unknown", str(error))
        except StageConfigurationError as error:
            found[name] = StageForecast("runs", f"and would fail: {error}")
    return found


def _stage(task: LocalTask, run: RunContext, templates: Templates, forecast: Forecast) -> StageForecast:
    kind = task.stage
    if kind is None:
        return StageForecast("runs", "it has no result to reuse")
    if not task.arguments.get("cache"):
        return StageForecast("runs", "its cache is off")

    def resolved(value: Any) -> Any:
        if not isinstance(value, Reference):
            return value
        if value.stage == SOURCES:
            raise UnknownUntilRunError(f"it depends on {str(value)!r}, which runs")
        return forecast.output(value.stage, value.output)

    rendered = dict(task.arguments)
    for field in kind.template_fields:
        if field in rendered:
            try:
                rendered[field] = templates.render(field, rendered[field], identity=run.identity, resolve=resolved)
            except TemplateFailedError as error:
                raise UnknownUntilRunError(f"its {field} is known only in a run: {error.__cause__}") from error
    stage = kind.from_rendered(rendered)
    reuse = StageReuse(stage, run, image=str)
    return forecast.of(task.name, reuse, lambda: stage_request(stage, run, store=ReadingStore()))


def _run(spec: PipelineSpec, stage: str, home: Path, tasks: dict[str, LocalTask]) -> RunContext:
    settings = local_settings(home)
    flow = StageFlow({name: task.upstream for name, task in tasks.items()})
    return RunContext(
        identity=StageIdentity(
            store=settings.store, pipeline=spec.pipeline, dag_run=NO_RUN, stage=stage, map_index=-1, try_number=1
        ),
        settings=settings,
        log=log,
        state=NotedState({}, keep=lambda notes: None),
        outputs=MemoryOutputs(),
        connections=EnvironmentConnections(os.environ),
        events=LoggedEvents(log),
        runs=NoRuns(),
        flow=LocalFlow(flow, stage, take=lambda branch: None),
        params=param_values(spec),
    )
