"""The process of a local run: builds the pipeline's DAG, tests it, and reports what happens."""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowTaskTimeout

from airflow_ml_provider.dag_factory.airflow_run import REQUEST_VARIABLE
from airflow_ml_provider.dag_factory.builder import FINISH, build
from airflow_ml_provider.decisions.reuse import Reuse
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.local.events import (
    Event,
    LocalRunRequest,
    RefusedError,
    RunEvent,
    StageEvent,
    TrialEvent,
)
from airflow_ml_provider.local.preparation import (
    as_local,
    asks_a_person,
    earlier_results,
    notice,
    param_values,
    requested_spec,
)
from airflow_ml_provider.local.results import LocalResults
from airflow_ml_provider.local.tasks import VALUES
from airflow_ml_provider.protocol.names import REUSE_PARAM
from airflow_ml_provider.reuse.stage_reuse import CACHE_XCOM
from airflow_ml_provider.runners.local_runner import LocalRunner
from airflow_ml_provider.spec.order import in_order
from airflow_ml_provider.spec.pipeline import SOURCES
from airflow_ml_provider.spec.problems import SpecError
from airflow_ml_provider.tasks.checked_templates import CheckedTemplates

if TYPE_CHECKING:
    from airflow.sdk import Context


_TRIAL = re.compile(r"\[\d+/\d+\] trial ")


def requested() -> LocalRunRequest:
    """Return the request that the parent left in the environment."""
    return LocalRunRequest(**json.loads(os.environ[REQUEST_VARIABLE]))


def requested_dags() -> dict[str, DAG]:
    """Return the DAG of the request; Airflow's own look at the DAGs folder finds the same."""
    request = requested()
    whole = requested_spec(request)
    results = earlier_results(whole, request)
    asking = asks_a_person(whole, left_out=results)
    if asking:
        raise RefusedError(
            f"stage {asking[0]!r} asks a person, which --airflow cannot do: run without it, or name the stages to run "
            f"here with --stage"
        )
    spec = as_local(whole, left_out=results.keys(), in_airflow=True)
    return {spec.pipeline: build(spec, base_folder=Path(request.file).parent, results=results, exclusive=False)}


def main() -> int:
    """Run, and return the exit code: 0 when every stage succeeded."""
    request = requested()
    end_with(request.lifeline)
    tell = _EventWriter(request.events)
    tell(RunEvent("starting"))
    try:
        spec = requested_spec(request)
        param_values(spec)
        (dag,) = requested_dags().values()
        dag.validate()  # type: ignore[no-untyped-call]
    except (SpecError, RefusedError, StageConfigurationError) as error:
        tell(RunEvent("refused", message=str(error)))
        return 2
    _prepare_database(Path(request.home))
    outputs = {
        **{f"{SOURCES}.{name}": ["data", "manifest"] for name in spec.sources},
        **{name: list(spec.stages[name].output_types()) for name in in_order(spec) if name in dag.task_dict},
    }
    stages = list(outputs)
    listener = _Listener(tell, LocalResults(Path(request.home), spec.pipeline))
    for name in stages:
        listener.follow(dag.get_task(name), outputs=outputs[name])
    # Who runs this gives the params, on his own machine.
    CheckedTemplates.trusts_caller = True
    LocalRunner.listeners.append(lambda line: tell(TrialEvent(line)) if _TRIAL.match(line) else None)
    tell(RunEvent("running", stages, message=notice(spec, in_airflow=True)))
    run = dag.test(run_conf=None if request.reuse or REUSE_PARAM not in dag.params else {REUSE_PARAM: False})
    states = {task.task_id: str(task.state) for task in run.get_task_instances()}
    for name in stages:
        if name not in listener.ended:
            tell(StageEvent(name, states.get(name, "none")))
    succeeded = str(run.state) == "success" and states.get(FINISH) in (None, "success")
    tell(RunEvent("success" if succeeded else "failed", stages))
    return 0 if succeeded else 1


def end_with(lifeline: int) -> None:
    """End this process, and with it its stages, when the one that holds the pipe's other end is gone."""

    def watch() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _EventWriter:
    def __init__(self, events: int) -> None:
        self._file = os.fdopen(events, "w", encoding="utf-8", buffering=1)

    def __call__(self, event: Event) -> None:
        self._file.write(json.dumps(asdict(event)) + "\n")


class _Listener:
    """Tells what becomes of each stage, from the callbacks that Airflow calls."""

    def __init__(self, tell: _EventWriter, results: LocalResults) -> None:
        self._tell = tell
        self._results = results
        self._outputs: dict[str, list[str]] = {}
        self.ended: set[str] = set()

    def follow(self, task: Any, *, outputs: list[str]) -> None:
        self._outputs[task.task_id] = outputs
        task.on_execute_callback = [self._running]
        task.on_success_callback = [self._succeeded]
        task.on_failure_callback = [self._failed]
        task.on_skipped_callback = [self._skipped]

    def _running(self, context: Context) -> None:
        self._tell(StageEvent(context["ti"].task_id, "running"))

    def _succeeded(self, context: Context) -> None:
        instance = context["ti"]
        stage = instance.task_id
        keys = (*self._outputs[stage], *VALUES, CACHE_XCOM)
        found = {key: instance.xcom_pull(task_ids=stage, key=key) for key in keys}
        result = {key: value for key, value in found.items() if value is not None}
        considered = result.pop(CACHE_XCOM, None)
        self._results.keep(stage, result)
        metrics = result.pop("metrics", {})
        cache = str(Reuse(**considered)) if considered else ""
        self._end(StageEvent(stage, "success", metrics=metrics, outputs=result, cache=cache))

    def _failed(self, context: Context) -> None:
        task, error = context["ti"].task, context.get("exception")
        message = str(error or "")
        if isinstance(error, AirflowTaskTimeout):
            message = f"it took longer than its timeout of {task.execution_timeout}"
        self._end(StageEvent(task.task_id, "failed", message=message))

    def _skipped(self, context: Context) -> None:
        self._end(StageEvent(context["ti"].task_id, "skipped"))

    def _end(self, event: StageEvent) -> None:
        self.ended.add(event.stage)
        self._tell(event)


def _prepare_database(home: Path) -> None:
    from airflow import __version__
    from airflow.utils.db import initdb

    ready = home / "airflow" / f"database-of-{__version__}"
    with (home / "lock").open("w") as lock:
        # Two first runs in one folder make the database once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.is_file():
            initdb()
            ready.touch()


if __name__ == "__main__":
    sys.exit(main())
