"""The process of a local run: builds the pipeline's DAG, tests it, and tells what happens."""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowTaskTimeout

from airflow_ml_provider.dag_factory.builder import FINISH, build
from airflow_ml_provider.dag_factory.local_results import LocalResults
from airflow_ml_provider.dag_factory.local_run import (
    REQUEST_VARIABLE,
    LocalRunRequest,
    RunEvent,
    StageEvent,
    TrialEvent,
)
from airflow_ml_provider.decisions.models.gate_rules import CHAMPION
from airflow_ml_provider.decisions.reuse import Reuse
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.protocol.names import REUSE_PARAM
from airflow_ml_provider.reuse.stage_reuse import CACHE_XCOM
from airflow_ml_provider.runners.local_runner import LocalRunner
from airflow_ml_provider.spec.checks.problems import SpecError, did_you_mean
from airflow_ml_provider.spec.documents.load import load
from airflow_ml_provider.spec.order import downstream, in_order
from airflow_ml_provider.spec.pipeline import SOURCES, PipelineSpec
from airflow_ml_provider.spec.registration import gates_before
from airflow_ml_provider.spec.stages import StageSpec

if TYPE_CHECKING:
    from airflow.sdk import Context


_TRIAL = re.compile(r"\[\d+/\d+\] trial ")


class RefusedError(ValueError):
    """The run cannot begin: what it was asked for does not fit the pipeline or this machine."""


def requested() -> LocalRunRequest:
    """Return the request that the parent left in the environment."""
    return LocalRunRequest(**json.loads(os.environ[REQUEST_VARIABLE]))


def requested_dags() -> dict[str, DAG]:
    """Return the DAG of the request; Airflow's own look at the DAGs folder finds the same."""
    request = requested()
    whole = _spec(request)
    results = _earlier(whole, request)
    spec = as_local(whole, left_out=results.keys())
    return {spec.pipeline: build(spec, base_folder=Path(request.file).parent, results=results, exclusive=False)}


def main() -> int:
    """Run, and return the exit code: 0 when every stage succeeded."""
    request = requested()
    end_with(request.lifeline)
    tell = _Teller(request.events)
    tell(RunEvent("starting"))
    try:
        spec = _spec(request)
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
    LocalRunner.listeners.append(lambda line: tell(TrialEvent(line)) if _TRIAL.match(line) else None)
    tell(RunEvent("running", stages, message=_notice(spec)))
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


class _Teller:
    def __init__(self, events: int) -> None:
        self._file = os.fdopen(events, "w", encoding="utf-8", buffering=1)

    def __call__(self, event: StageEvent | TrialEvent | RunEvent) -> None:
        self._file.write(json.dumps(asdict(event)) + "\n")


class _Listener:
    """Tells what becomes of each stage, from the callbacks that Airflow calls."""

    def __init__(self, tell: _Teller, results: LocalResults) -> None:
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
        keys = (*self._outputs[stage], "metrics", "gate", "model", "best_params", "endpoint", CACHE_XCOM)
        found = {key: instance.xcom_pull(task_ids=stage, key=key) for key in keys}
        result = {key: value for key, value in found.items() if value is not None}
        considered = result.pop(CACHE_XCOM, None)
        self._results.keep(stage, result)
        metrics = result.pop("metrics", {})
        told = str(Reuse(**considered)) if considered else ""
        self._end(StageEvent(stage, "success", metrics=metrics, outputs=result, cache=told))

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


def _spec(request: LocalRunRequest) -> PipelineSpec:
    given = request.patch.get("params")
    if isinstance(given, dict):
        known = load(Path(request.file), environment=request.environment).spec.params
        for name in given:
            if name not in known:
                raise RefusedError(
                    f"the pipeline has no param {name!r}; it has {', '.join(known) or 'none'}"
                    f"{did_you_mean(name, known)} (a stage's own are STAGE.{name})"
                )
    return load(Path(request.file), environment=request.environment, patch=request.patch).spec


def as_local(spec: PipelineSpec, *, left_out: Collection[str]) -> PipelineSpec:
    """Return the pipeline as it can run here: in processes, without retries, its artifacts below the current folder.

    It is untracked where MLflow is not known.
    """
    if (asks := _asks(spec, left_out=left_out)) is not None:
        raise RefusedError(
            f"stage {asks!r} asks a person, which needs Airflow's UI: name the stages to run here with --stage"
        )
    here = {"runner": "local", "retries": 0}
    stages = {name: stage.model_copy(update=here) for name, stage in spec.stages.items()}
    changes: dict[str, Any] = {**here, "stages": stages, "schedule": None, "store": None}
    if not _is_tracked(spec):
        needing = {name: _needs_mlflow(stage) for name, stage in spec.stages.items() if name not in left_out}
        name = next((name for name, why in needing.items() if why), None)
        if name is not None and spec.tracking is not None:
            variable = _variable(spec.tracking.connection)
            raise RefusedError(
                f"stage {name!r} {needing[name]}, and no MLflow is known here: set {variable}, such as "
                f'{variable}=\'{{"conn_type": "mlflow", "host": "http://localhost:5000"}}\''
            )
        changes["tracking"] = None
    return spec.model_copy(update=changes)


def _asks(spec: PipelineSpec, *, left_out: Collection[str]) -> str | None:
    return next((name for name, stage in spec.stages.items() if stage.in_airflow and name not in left_out), None)


def _needs_mlflow(stage: StageSpec) -> str:
    told = {"register": "registers a model", "serve": "serves one", "batch_predict": "predicts with a registered one"}
    if stage.kind in told:
        return told[stage.kind]
    return "compares with the champion" if CHAMPION in getattr(stage, "gate", ()) else ""


def _is_tracked(spec: PipelineSpec) -> bool:
    if spec.tracking is None:
        return False
    return _variable(spec.tracking.connection) in os.environ or "AIRFLOW__SECRETS__BACKEND" in os.environ


def _variable(connection: str) -> str:
    return f"AIRFLOW_CONN_{connection.upper()}"


def _notice(spec: PipelineSpec) -> str:
    if spec.tracking is None or _is_tracked(spec):
        return ""
    return f"not tracked: no MLflow is known here (set {_variable(spec.tracking.connection)})"


def _earlier(spec: PipelineSpec, request: LocalRunRequest) -> Mapping[str, Mapping[str, Any]]:
    """Return what stages that are not to run put out in the last run."""
    for name in (*request.stages, *([request.begin] if request.begin else [])):
        if name not in spec.stages:
            raise RefusedError(
                f"there is no stage {name!r}; there are {', '.join(spec.stages)}{did_you_mean(name, spec.stages)}"
            )
    if request.begin and request.stages:
        raise RefusedError("--from runs a stage with all that follows it, --stage single ones; give one of them")
    wanted = set(request.stages) or set(spec.stages)
    if request.begin:
        wanted = downstream(spec, request.begin)
    left_out = [name for name in in_order(spec) if name not in wanted]
    kept = LocalResults(Path(request.home), spec.pipeline)
    results = {name: kept.of(name) for name in left_out}
    for name in in_order(spec):
        for reference in spec.stages[name].references().values() if name in wanted else ():
            if reference.stage in results and reference.output not in results[reference.stage]:
                raise RefusedError(
                    f"stage {name!r} reads {reference}, and no earlier run here left it: run stage "
                    f"{reference.stage!r} first, or the whole pipeline"
                )
        if spec.stages[name].kind == "register" and name in wanted:
            for gate in gates_before(spec, name):
                if gate in results and "gate" not in results[gate]:
                    raise RefusedError(
                        f"stage {name!r} needs the verdict of {gate!r}, and no earlier run here left it: run stage "
                        f"{gate!r} first, or the whole pipeline"
                    )
    return results


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
