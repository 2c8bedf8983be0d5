"""A whole pipeline in this process: its stages are processes of their own, several at once."""

from __future__ import annotations

import datetime as dt
import logging
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from airflow_ml_provider.decisions.reuse import Reuse
from airflow_ml_provider.errors import MlError, StageConfigurationError, StageSkippedError
from airflow_ml_provider.local.connections import EnvironmentConnections
from airflow_ml_provider.local.events import (
    Event,
    LocalRunRequest,
    RefusedError,
    RunEvent,
    StageEvent,
    TrialEvent,
)
from airflow_ml_provider.local.flow import StageFlow
from airflow_ml_provider.local.home import prepared_home
from airflow_ml_provider.local.preparation import (
    as_local,
    asks_a_person,
    earlier_results,
    local_settings,
    notice,
    requested_spec,
)
from airflow_ml_provider.local.results import LastRun, LocalResults
from airflow_ml_provider.local.task_run import Ask, LocalTaskRun, LocalWorld
from airflow_ml_provider.local.tasks import VALUES, LocalTask, local_tasks
from airflow_ml_provider.local.templates import Templates
from airflow_ml_provider.local.world import LocalFlow, NotedState
from airflow_ml_provider.mlflow_api.client import MlflowClient
from airflow_ml_provider.protocol.names import REUSE_PARAM
from airflow_ml_provider.reuse.stage_reuse import CACHE_XCOM
from airflow_ml_provider.spec.checks.problems import SpecError
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.tracking.run_closing import close_pipeline_run
from airflow_ml_provider.tracking.stage_tracking import known_parent

log = logging.getLogger(__name__)

_TRIAL = re.compile(r"\[\d+/\d+\] trial ")
_PACKAGE = "airflow_ml_provider"


class LocalRun:
    """One run of a pipeline.

    Args:
        request: What is to run.
        log: The file that takes all that the stages print, and what is said about them.
        ask: Asks a person, ``None`` when nobody is there.
    """

    def __init__(self, request: LocalRunRequest, *, log: Path, ask: Ask | None = None) -> None:
        self._request = request
        self._log = log
        self._ask = ask
        self._running: dict[str, LocalTaskRun] = {}

    def events(self) -> Iterator[Event]:
        """Run, and return what happens as it happens; the last event is a ``RunEvent``.

        All stages end when the iterator is closed.
        """
        request = self._request
        home = Path(request.home)
        yield RunEvent("starting")
        try:
            whole = requested_spec(request)
            earlier = earlier_results(whole, request)
            spec = as_local(whole, left_out=earlier)
            if self._ask is None and not request.approved:
                self._refuse_questions(spec, earlier)
            tasks = local_tasks(spec, base_folder=Path(request.file).parent, results=earlier)
            settings = local_settings(home)
        except (SpecError, RefusedError, StageConfigurationError) as error:
            yield RunEvent("refused", message=str(error))
            return
        prepared_home(request.home)
        # What stages keep while they work goes with the run, however it ends.
        work = Path(tempfile.mkdtemp(prefix="work-", dir=home))
        happened: SimpleQueue[Event] = SimpleQueue()
        results = LocalResults(home, spec.pipeline)
        last = results.last_run() if request.resume else None
        date = dt.datetime.now(tz=dt.UTC)
        params = {**spec.params, **({} if request.reuse else {REUSE_PARAM: False})}
        world = LocalWorld(
            pipeline=spec.pipeline,
            run_id=last.run_id if last else f"manual__{date.isoformat()}",
            settings=settings,
            params=params,
            templates=Templates(params=spec.params, logical_date=date, environment=os.environ),
            environment=os.environ,
            variables={"TMPDIR": str(work)},
            ask=self._answer,
            listener=lambda line: happened.put(TrialEvent(line)) if _TRIAL.match(line) else None,
            tracked=spec.tracking is not None,
        )
        if last is None:
            results.begin_run(world.run_id)
        try:
            with _logged_to(self._log):
                yield RunEvent("running", list(tasks), message=notice(whole))
                yield from self._stages(tasks, world, results, happened, last)
                yield self._ended(spec, tasks, world)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def stop(self) -> None:
        """End the run and all its stages."""
        for run in list(self._running.values()):
            run.stop()

    def _stages(
        self,
        tasks: Mapping[str, LocalTask],
        world: LocalWorld,
        results: LocalResults,
        happened: SimpleQueue[Event],
        last: LastRun | None,
    ) -> Iterator[Event]:
        self._flow = flow = StageFlow({name: task.upstream for name, task in tasks.items()})
        succeeded = list(last.succeeded) if last else []
        changes = threading.Lock()

        def take(stage: str, branch: Any) -> None:
            with changes:
                skipped = flow.take(stage, branch)
            for name in skipped:
                happened.put(StageEvent(name, "skipped"))

        pool = ThreadPoolExecutor(max_workers=max(1, self._request.parallel), thread_name_prefix="stage")
        try:
            while True:
                with changes:
                    ready, never = flow.ready(), flow.settle()
                    flow.states.update(dict.fromkeys(ready, "running"))
                for name in never:
                    yield StageEvent(name, flow.states[name])
                for name in ready:
                    run = self._running[name] = LocalTaskRun(
                        tasks[name],
                        world,
                        flow=LocalFlow(flow, name, take=lambda branch, name=name: take(name, branch)),  # type: ignore[misc]
                        log=logging.getLogger(f"{_PACKAGE}.stage.{name}"),
                        state=self._state(name, results),
                        again=last is not None,
                    )
                    pool.submit(_run, tasks[name], run, happened)
                if flow.is_over:
                    return
                event = happened.get()
                if isinstance(event, StageEvent) and event.state != "running" and event.stage in self._running:
                    ended = self._running.pop(event.stage)
                    event = self._keep(event, tasks[event.stage], ended, world, results)
                    with changes:
                        flow.states[event.stage] = event.state
                    if event.state == "success":
                        succeeded.append(event.stage)
                        results.keep_run(LastRun(world.run_id, succeeded))
                yield event
        finally:
            self.stop()
            pool.shutdown(cancel_futures=True)

    def _state(self, stage: str, results: LocalResults) -> NotedState:
        return NotedState(results.notes(stage), keep=lambda notes: results.keep_notes(stage, notes))

    def _keep(
        self, event: StageEvent, task: LocalTask, run: LocalTaskRun, world: LocalWorld, results: LocalResults
    ) -> StageEvent:
        world.outputs[event.stage] = run.outputs.values
        if event.state != "success":
            return event
        found = {key: run.outputs.values[key] for key in (*task.outputs, *VALUES) if key in run.outputs.values}
        results.keep(event.stage, found)
        considered = run.outputs.values.get(CACHE_XCOM)
        metrics = found.pop("metrics", {})
        cache = str(Reuse(**considered)) if considered else ""
        return StageEvent(event.stage, "success", metrics=metrics, outputs=found, cache=cache)

    def _ended(self, spec: PipelineSpec, tasks: Mapping[str, LocalTask], world: LocalWorld) -> RunEvent:
        failed = [name for name, state in self._flow.states.items() if state in ("failed", "upstream_failed")]
        message = ""
        if spec.tracking is not None:
            try:
                self._close_runs(spec.tracking.connection, world, failed)
            except MlError as error:
                if world.settings.on_tracking_unavailable == "fail":
                    failed, message = [*failed, "MLflow"], f"the MLflow run could not be closed: {error}"
                log.warning("The MLflow run could not be closed: %s", error)
        return RunEvent("failed" if failed else "success", list(tasks), message=message)

    def _close_runs(self, connection: str, world: LocalWorld, failed: list[str]) -> None:
        from airflow_ml_provider.attempts.identity import StageIdentity

        identity = StageIdentity(
            store=world.settings.store,
            pipeline=world.pipeline,
            dag_run=world.run_id,
            stage="finish",
            map_index=-1,
            try_number=1,
        )
        parent = known_parent(identity)
        if parent is not None:
            client = MlflowClient(EnvironmentConnections(world.environment).mlflow(connection))
            close_pipeline_run(client, identity, parent=parent, failed=failed)

    def _answer(self, stage: str, asked: str, about: str) -> bool:
        if stage in self._request.rejected:
            return False
        if self._request.approved or self._ask is None:
            return self._request.approved
        return self._ask(stage, asked, about)

    def _refuse_questions(self, spec: PipelineSpec, left_out: Mapping[str, Any]) -> None:
        asking = [name for name in asks_a_person(spec, left_out=left_out) if name not in self._request.rejected]
        if asking:
            raise RefusedError(
                f"stage {asking[0]!r} asks a person: run in a terminal, or answer before with --yes or "
                f"--reject {asking[0]}; or name the stages to run here with --stage"
            )


def _run(task: LocalTask, run: LocalTaskRun, happened: SimpleQueue[Event]) -> None:
    threading.current_thread().name = task.name
    happened.put(StageEvent(task.name, "running"))
    try:
        run.run()
    except StageSkippedError as error:
        log.info("Skipped: %s", error)
        happened.put(StageEvent(task.name, "skipped"))
    except Exception as error:
        log.exception("Stage %s failed", task.name)
        happened.put(StageEvent(task.name, "failed", message=str(error) or type(error).__name__))
    else:
        happened.put(StageEvent(task.name, "success"))


@contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """Write what this package logs to a file, each line with its stage."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s [%(threadName)s] %(message)s"))
    package = logging.getLogger(_PACKAGE)
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        handler.close()
