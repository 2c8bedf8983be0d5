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
from dataclasses import replace
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
    param_values,
    requested_spec,
    resumed,
)
from airflow_ml_provider.local.results import LastRun, LocalResults
from airflow_ml_provider.local.run_log import logged_to, secrets_of
from airflow_ml_provider.local.task_run import Ask, LocalTaskRun, LocalWorld, Question
from airflow_ml_provider.local.tasks import VALUES, LocalTask, local_tasks
from airflow_ml_provider.local.templates import Templates
from airflow_ml_provider.local.world import LocalFlow, NotedState
from airflow_ml_provider.mlflow_api.client import MlflowClient
from airflow_ml_provider.protocol.names import REUSE_PARAM
from airflow_ml_provider.protocol.secret_text import without_secrets
from airflow_ml_provider.reuse.stage_reuse import CACHE_XCOM
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.problems import SpecError
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
        self._secrets = secrets_of(os.environ)
        self._running: dict[str, LocalTaskRun] = {}

    def events(self) -> Iterator[Event]:
        """Run, and return what happens as it happens; the last event is a ``RunEvent``.

        All stages end when the iterator is closed.
        """
        home = Path(self._request.home)
        yield RunEvent("starting")
        try:
            request, last = resumed(self._request)
            whole = requested_spec(request)
            earlier = earlier_results(whole, request)
            spec = as_local(whole, left_out=earlier)
            if self._ask is None and not request.approved:
                self._refuse_questions(spec, earlier)
            given = param_values(spec)
            tasks = local_tasks(spec, base_folder=Path(request.file).parent, results=earlier)
            settings = local_settings(home)
        except (SpecError, RefusedError, StageConfigurationError) as error:
            yield RunEvent("refused", message=str(error))
            return
        prepared_home(request.home)
        # What stages keep while they work goes with the run, however it ends.
        work = Path(tempfile.mkdtemp(prefix="work-", dir=home))
        happened: SimpleQueue[Event | Question] = SimpleQueue()
        results = LocalResults(home, spec.pipeline)
        date = dt.datetime.fromisoformat(last.date) if last else dt.datetime.now(tz=dt.UTC)
        params = {**given, **({} if request.reuse else {REUSE_PARAM: False})}
        world = LocalWorld(
            pipeline=spec.pipeline,
            run_id=last.run_id if last else f"manual__{date.isoformat()}",
            settings=settings,
            params=params,
            templates=Templates(
                params=given,
                logical_date=date,
                environment=os.environ,
            ),
            environment=os.environ,
            variables={"TMPDIR": str(work)},
            ask=happened.put,
            listener=lambda line: happened.put(TrialEvent(line)) if _TRIAL.match(line) else None,
            tracked=spec.tracking is not None,
        )
        run = last or LastRun(world.run_id, date.isoformat(), request.environment, dict(request.patch), {})
        if last is None:
            results.begin_run(replace(run, states=dict.fromkeys(tasks, "waiting")))
        try:
            with logged_to(self._log, masked=self._secrets):
                yield RunEvent("running", list(tasks), message=notice(whole))
                yield from self._stages(tasks, world, results, happened, run)
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
        happened: SimpleQueue[Event | Question],
        run: LastRun,
    ) -> Iterator[Event]:
        self._flow = flow = StageFlow({name: task.upstream for name, task in tasks.items()})
        again = bool(run.states)
        states = {**dict.fromkeys(tasks, "waiting"), **run.states}
        # What a branch or a person's answer skipped stays so.
        flow.states.update({name: "skipped" for name in tasks if states[name] == "skipped"})

        def keep(name: str, state: str) -> None:
            states[name] = state
            results.keep_run(replace(run, states=dict(states)))

        changes = threading.Lock()

        def take(stage: str, branch: Any) -> None:
            with changes:
                skipped = flow.take(stage, branch)
            for name in skipped:
                happened.put(StageEvent(name, "skipped"))

        yield from (StageEvent(name, "skipped") for name, state in flow.states.items() if state == "skipped")
        pool = ThreadPoolExecutor(max_workers=max(1, self._request.parallel), thread_name_prefix="stage")
        try:
            while True:
                with changes:
                    ready, never = flow.ready(), flow.settle()
                    flow.states.update(dict.fromkeys(ready, "running"))
                for name in never:
                    keep(name, flow.states[name])
                    yield StageEvent(name, flow.states[name])
                for name in ready:
                    begun = self._running[name] = LocalTaskRun(
                        tasks[name],
                        world,
                        flow=LocalFlow(flow, name, take=lambda branch, name=name: take(name, branch)),  # type: ignore[misc]
                        log=logging.getLogger(f"{_PACKAGE}.stage.{name}"),
                        state=self._state(name, results),
                        again=again,
                    )
                    pool.submit(_run, tasks[name], begun, happened)
                if flow.is_over:
                    return
                event = happened.get()
                if isinstance(event, Question):
                    event.answer(approved=self._answer(event))
                    continue
                if isinstance(event, StageEvent) and event.state != "running":
                    ended = self._running.pop(event.stage, None)
                    if ended is not None:
                        event = self._keep(event, tasks[event.stage], ended, world, results)
                    event = replace(event, message=without_secrets(event.message, self._secrets))
                    with changes:
                        flow.states[event.stage] = event.state
                    keep(event.stage, event.state)
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

    def _answer(self, question: Question) -> bool:
        if question.stage in self._request.rejected:
            return False
        if self._request.approved or self._ask is None:
            return self._request.approved
        return self._ask(question.stage, question.text, question.about)

    def _refuse_questions(self, spec: PipelineSpec, left_out: Mapping[str, Any]) -> None:
        asking = [name for name in asks_a_person(spec, left_out=left_out) if name not in self._request.rejected]
        if asking:
            raise RefusedError(
                f"stage {asking[0]!r} asks a person: run in a terminal, or answer before with --yes or "
                f"--reject {asking[0]}; or name the stages to run here with --stage"
            )


def _run(task: LocalTask, run: LocalTaskRun, happened: SimpleQueue[Event | Question]) -> None:
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
