"""What a run on this machine would do, stage by stage; nothing is written."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_ml_provider.artifacts.errors import StoreAwayError, StoreError
from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.attempts.run_context import Connections, RunContext
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.execution.stage_request import stage_request
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.local.connections import EnvironmentConnections
from airflow_ml_provider.local.flow import StageFlow
from airflow_ml_provider.local.preparation import as_local, local_settings, param_values
from airflow_ml_provider.local.tasks import LocalTask, local_tasks
from airflow_ml_provider.local.templates import TemplateFailedError, Templates
from airflow_ml_provider.local.world import LocalFlow, LoggedEvents, MemoryOutputs, NoRuns, NotedState
from airflow_ml_provider.reuse.forecast import Forecast, ReadingStore, StageForecast, UnknownUntilRunError
from airflow_ml_provider.reuse.stage_reuse import StageReuse
from airflow_ml_provider.settings import MlSettings
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
    settings, params = local_settings(home), param_values(here)
    planning = Planning(
        here.pipeline, {name: tasks[name] for name in in_order(here)}, params, EnvironmentConnections(os.environ)
    )
    return {name: planning.of(name, settings) for name in in_order(here)}


class Planning:
    """What would become of the stages of one pipeline, asked for in the order of a run.

    Args:
        pipeline: Its name.
        tasks: Its stages by name, in the order of a run.
        params: The params of the run.
        connections: Where servers are.
    """

    def __init__(
        self, pipeline: str, tasks: Mapping[str, LocalTask], params: Mapping[str, Any], connections: Connections
    ) -> None:
        self._pipeline = pipeline
        self._tasks = tasks
        self._params = params
        self._connections = connections
        self._flow = StageFlow({name: task.upstream for name, task in tasks.items()})
        self._known = Forecast()

    def knows(self, name: str) -> bool:
        """Whether the kind of a stage is known here."""
        return self._tasks[name].stage is not None

    def of(
        self, name: str, settings: MlSettings, *, image: str = "", own: Mapping[str, Any] | None = None
    ) -> StageForecast:
        """Return what would become of a stage.

        Args:
            name: The stage.
            settings: The section ``[ml]``, with what the stage says itself.
            image: The image of its pod, empty where none is named and for a process.
            own: Params that are the stage's own.

        Raises:
            StoreAwayError: The artifact store did not answer.
        """
        task = self._tasks[name]
        if task.stage is None:
            return StageForecast("runs", "it has no result to reuse")
        if not task.arguments.get("cache"):
            return StageForecast("runs", "its cache is off")
        params = {**self._params, **(own or {})}
        run = self._run(name, settings, params)
        templates = Templates(params=params, logical_date=None, environment=os.environ)
        try:
            stage = task.stage.from_rendered(self._rendered(task.stage, task.arguments, run.identity, templates))
            image = str(self._value("image", image, run.identity, templates))
            reuse = StageReuse(stage, run, image=lambda: image)
            return self._known.of(name, reuse, lambda: stage_request(stage, run, store=ReadingStore()))
        except UnknownUntilRunError as error:
            return StageForecast("unknown", str(error))
        except StageConfigurationError as error:
            return StageForecast("runs", f"and would fail: {error}")
        except StoreAwayError:
            # Every other stage would wait for the same store.
            raise
        except StoreError as error:
            return StageForecast("unknown", str(error))

    def _rendered(
        self, kind: type[Stage], arguments: Mapping[str, Any], identity: StageIdentity, templates: Templates
    ) -> dict[str, Any]:
        rendered = {
            field: self._value(field, arguments[field], identity, templates)
            for field in kind.template_fields
            if field in arguments
        }
        return {**arguments, **rendered}

    def _value(self, field: str, value: Any, identity: StageIdentity, templates: Templates) -> Any:
        try:
            return templates.render(field, value, identity=identity, resolve=self._resolved)
        except TemplateFailedError as error:
            raise UnknownUntilRunError(f"its {field} is known only in a run: {error.__cause__}") from error

    def _resolved(self, value: Any) -> Any:
        if not isinstance(value, Reference):
            return value
        if value.stage == SOURCES:
            raise UnknownUntilRunError(f"it depends on {str(value)!r}, which runs")
        return self._known.output(value.stage, value.output)

    def _run(self, stage: str, settings: MlSettings, params: Mapping[str, Any]) -> RunContext:
        return RunContext(
            identity=StageIdentity(
                store=settings.store, pipeline=self._pipeline, dag_run=NO_RUN, stage=stage, map_index=-1, try_number=1
            ),
            settings=settings,
            log=log,
            state=NotedState({}, keep=lambda notes: None),
            outputs=MemoryOutputs(),
            connections=self._connections,
            events=LoggedEvents(log),
            runs=NoRuns(),
            flow=LocalFlow(self._flow, stage, take=lambda branch: None),
            params=params,
        )
