"""One task of a local run, from its rendered arguments to its end."""

from __future__ import annotations

import datetime as dt
import getpass
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.attempts.run_context import Flow, RunContext, Stop
from airflow_ml_provider.errors import StageKilledError, StageTimeoutError
from airflow_ml_provider.execution.stage_execution import StageExecution
from airflow_ml_provider.local.connections import EnvironmentConnections
from airflow_ml_provider.local.tasks import LocalTask
from airflow_ml_provider.local.templates import Templates
from airflow_ml_provider.local.world import LoggedEvents, MemoryOutputs, NoRuns, NotedState
from airflow_ml_provider.runners.local_runner import LocalRunner
from airflow_ml_provider.settings import MlSettings
from airflow_ml_provider.spec.pipeline import SOURCES
from airflow_ml_provider.spec.references import Reference

Ask = Callable[[str, str, str], bool]
"""Asks a person: the stage, the question, what there is to know; returns whether the answer is yes."""
LOOK_SECONDS = 0.2


class Question:
    """Something that a person is asked, answered by the thread that may talk to the terminal.

    Args:
        stage: The stage that asks.
        text: The question.
        about: What there is to know, Markdown.
    """

    def __init__(self, stage: str, text: str, about: str) -> None:
        self.stage = stage
        self.text = text
        self.about = about
        self._answered = threading.Event()
        self._approved = False

    def answer(self, *, approved: bool) -> None:
        """Give the answer."""
        self._approved = approved
        self._answered.set()

    def wait(self, stop: Stop) -> bool:
        """Return whether the answer is yes.

        Raises:
            StageKilledError: The task is to end.
        """
        while not self._answered.wait(LOOK_SECONDS):
            if stop.requested:
                raise StageKilledError(f"stage {self.stage!r} ended before anybody answered")
        if stop.requested:
            raise StageKilledError(f"stage {self.stage!r} ended before anybody answered")
        return self._approved


@dataclass(frozen=True, kw_only=True)
class LocalWorld:
    """What the tasks of one run share.

    Attributes:
        pipeline: The pipeline's name.
        run_id: The run's id.
        settings: The section ``[ml]``.
        params: The run's params.
        templates: Renders arguments.
        environment: The variables of this process.
        variables: Further ones that stages' processes get.
        outputs: What tasks put out, by task.
        ask: Hands on a question to a person.
        listener: Gets each line of a stage.
        tracked: Whether the run is tracked in MLflow.
    """

    pipeline: str
    run_id: str
    settings: MlSettings
    params: Mapping[str, Any]
    templates: Templates
    environment: Mapping[str, str]
    variables: Mapping[str, str]
    ask: Callable[[Question], None]
    listener: Callable[[str], None]
    tracked: bool
    outputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)


class LocalTaskRun:
    """Runs one task.

    Args:
        task: The task.
        world: What it shares with others of its run.
        flow: What follows it.
        log: Its log.
        state: What it keeps between tries.
        again: Whether it was begun before, in the run that this one goes on with.

    Attributes:
        outputs: What it put out.
    """

    def __init__(
        self, task: LocalTask, world: LocalWorld, *, flow: Flow, log: Any, state: NotedState, again: bool
    ) -> None:
        self._task = task
        self._world = world
        self._flow = flow
        self._log = log
        self._stop = Stop()
        self._timed_out = False
        self.outputs = MemoryOutputs()
        self._state = state
        self._identity = StageIdentity(
            store=world.settings.store,
            pipeline=world.pipeline,
            dag_run=world.run_id,
            stage=task.name,
            map_index=-1,
            try_number=2 if again else 1,
        )

    def stop(self) -> None:
        """End the task."""
        self._stop.request()

    def run(self) -> None:
        """Run the task to its end.

        Raises:
            StageSkippedError: There was nothing to do, or a person said no.
            StageTimeoutError: It took longer than it may.
            MlError: It failed.
        """
        timer = None
        if self._task.timeout is not None:
            timer = threading.Timer(self._task.timeout.total_seconds(), self._end_in_time)
            timer.daemon = True
            timer.start()
        try:
            self._run()
        except StageKilledError as error:
            if self._timed_out:
                raise StageTimeoutError(f"it took longer than its timeout of {self._task.timeout}") from error
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _run(self) -> None:
        world, kind = self._world, self._task.stage
        run = RunContext(
            identity=self._identity,
            settings=world.settings,
            log=self._log,
            state=self._state,
            outputs=self.outputs,
            connections=EnvironmentConnections(world.environment),
            events=LoggedEvents(self._log),
            runs=NoRuns(),
            flow=self._flow,
            params=world.params,
            closes_mlflow_runs=world.tracked,
            stop=self._stop,
        )
        if kind is None:
            self._ask(run)
            return
        rendered = {
            name: world.templates.render(name, value, identity=self._identity, resolve=self._resolved)
            if name in kind.template_fields
            else value
            for name, value in self._task.arguments.items()
        }
        runner = LocalRunner.of(world.settings, log=self._log, variables=world.variables, listener=world.listener)
        StageExecution(kind.from_rendered(rendered), run, runner).run()

    def _ask(self, run: RunContext) -> None:
        from airflow_ml_provider.errors import StageFailedError, StageSkippedError
        from airflow_ml_provider.kinds.approval import Answer, question, record, version_to_approve, what_to_know
        from airflow_ml_provider.mlflow_api.client import MlflowClient
        from airflow_ml_provider.mlflow_api.registry import ModelRegistry

        given = {name: self._resolved(value) for name, value in self._task.arguments.items()}
        registry = ModelRegistry(MlflowClient(run.connections.mlflow(str(given["mlflow_conn_id"]))))
        name, version = version_to_approve(given["model"], stage=self._task.name)
        about = what_to_know(registry, given["model"])
        asked = Question(self._task.name, question(name, version), about)
        self._world.ask(asked)
        by = getpass.getuser()
        try:
            approved = asked.wait(run.stop)
        except StageKilledError:
            in_time = {"approve": True, "reject": False}.get(str(given.get("on_timeout", "reject")))
            if not self._timed_out or in_time is None:
                raise
            approved, by = in_time, "nobody, in time"
        answer = Answer(approved=approved, by=by, at=dt.datetime.now(tz=dt.UTC).isoformat())
        kept = record(registry, answer, name=name, version=version, promote=given.get("promote", True))
        self.outputs.push("approval", kept)
        if approved:
            return
        message = f"{name} version {version} was rejected by {answer.by}"
        raise (StageFailedError if given.get("on_reject") == "fail" else StageSkippedError)(message)

    def _resolved(self, value: Any) -> Any:
        if not isinstance(value, Reference):
            return value
        if value.stage == SOURCES:
            return self._world.outputs[str(value)].get("data")
        return self._world.outputs[value.stage].get(value.output)

    def _end_in_time(self) -> None:
        self._timed_out = True
        self._stop.request()
