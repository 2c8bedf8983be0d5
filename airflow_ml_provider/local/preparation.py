"""What a local run is to do: its pipeline as it can run here, and what earlier runs left of it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow_ml_provider.decisions.trust.param_schemas import MISSING, is_schema
from airflow_ml_provider.local.connections import variable_of
from airflow_ml_provider.local.events import LocalRunRequest, RefusedError
from airflow_ml_provider.local.results import LastRun, LocalResults
from airflow_ml_provider.settings import MlSettings
from airflow_ml_provider.spec.loading.load import load
from airflow_ml_provider.spec.order import downstream, in_order
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.problems import did_you_mean
from airflow_ml_provider.spec.registration import gates_before


def requested_spec(request: LocalRunRequest) -> PipelineSpec:
    """Return the pipeline with what the request changes.

    Raises:
        RefusedError: The pipeline has no such param.
        SpecError: It has mistakes.
    """
    given = request.patch.get("params")
    patch = request.patch
    if isinstance(given, dict):
        known = load(Path(request.file), environment=request.environment).spec.params
        # What is given is the value of a param; its schema stays.
        values = {name: {"default": value} if is_schema(known.get(name)) else value for name, value in given.items()}
        patch = {**patch, "params": values}
        for name in given:
            if name not in known:
                raise RefusedError(
                    f"the pipeline has no param {name!r}; it has {', '.join(known) or 'none'}"
                    f"{did_you_mean(name, known)} (a stage's own are STAGE.{name})"
                )
    return load(Path(request.file), environment=request.environment, patch=patch).spec


def param_values(spec: PipelineSpec) -> dict[str, Any]:
    """Return the params of a run by name.

    Raises:
        RefusedError: One has no value.
    """
    found = {name: param.default for name, param in spec.param_schemas().items()}
    for name, value in found.items():
        if value is MISSING:
            raise RefusedError(f"param {name!r} has no default: give --param {name}=VALUE")
    return found


def as_local(spec: PipelineSpec, *, left_out: Collection[str], in_airflow: bool = False) -> PipelineSpec:
    """Return the pipeline as it can run here: in processes, without retries, its artifacts below the current folder.

    It is untracked where MLflow is not known.

    Args:
        spec: The pipeline.
        left_out: Stages that do not run.
        in_airflow: Whether the run is one of Airflow.

    Raises:
        RefusedError: A stage that runs needs MLflow, and none is known.
    """
    here = {"runner": "local", "retries": 0}
    stages = {name: stage.model_copy(update=here) for name, stage in spec.stages.items()}
    changes: dict[str, Any] = {**here, "stages": stages, "schedule": None, "store": None}
    if not is_tracked(spec, in_airflow=in_airflow):
        needing = {name: stage.mlflow_need() for name, stage in spec.stages.items() if name not in left_out}
        name = next((name for name, why in needing.items() if why), None)
        if name is not None and spec.tracking is not None:
            variable = variable_of(spec.tracking.connection)
            raise RefusedError(
                f"stage {name!r} {needing[name]}, and no MLflow is known here: set {variable}, such as "
                f'{variable}=\'{{"conn_type": "mlflow", "host": "http://localhost:5000"}}\''
            )
        changes["tracking"] = None
    return spec.model_copy(update=changes)


def asks_a_person(spec: PipelineSpec, *, left_out: Collection[str]) -> list[str]:
    """Return the stages that wait for a person's answer."""
    return [name for name, stage in spec.stages.items() if stage.in_airflow and name not in left_out]


def is_tracked(spec: PipelineSpec, *, in_airflow: bool = False) -> bool:
    """Whether the MLflow of a pipeline is known here.

    Args:
        spec: The pipeline.
        in_airflow: Whether the run is one of Airflow, which asks its secrets backend too.
    """
    if spec.tracking is None:
        return False
    backend = in_airflow and "AIRFLOW__SECRETS__BACKEND" in os.environ
    return backend or variable_of(spec.tracking.connection) in os.environ


def notice(spec: PipelineSpec, *, in_airflow: bool = False) -> str:
    """Return what a person should know of the run before it begins, empty for nothing."""
    if spec.tracking is None or is_tracked(spec, in_airflow=in_airflow):
        return ""
    return f"not tracked: no MLflow is known here (set {variable_of(spec.tracking.connection)})"


def earlier_results(spec: PipelineSpec, request: LocalRunRequest) -> Mapping[str, Mapping[str, Any]]:
    """Return what stages that are not to run put out in the last run, by stage.

    Raises:
        RefusedError: There is no such stage, or a stage that runs reads what no run left.
    """
    for name in (*request.stages, *([request.begin] if request.begin else []), *request.rejected):
        if name not in spec.stages:
            raise RefusedError(
                f"there is no stage {name!r}; there are {', '.join(spec.stages)}{did_you_mean(name, spec.stages)}"
            )
    _require_one_way(request)
    from airflow_ml_provider.spec.stages import RegisterSpec

    kept = LocalResults(Path(request.home), spec.pipeline)
    left_out = _left_out(spec, request, kept)
    results = {name: kept.of(name) for name in left_out}
    for name in in_order(spec):
        if name in left_out:
            continue
        for reference in spec.stages[name].references().values():
            if reference.stage in results and reference.output not in results[reference.stage]:
                raise RefusedError(
                    f"stage {name!r} reads {reference}, and no earlier run here left it: run stage "
                    f"{reference.stage!r} first, or the whole pipeline"
                )
        if isinstance(spec.stages[name], RegisterSpec):
            for gate in gates_before(spec, name):
                if gate in results and "gate" not in results[gate]:
                    raise RefusedError(
                        f"stage {name!r} needs the verdict of {gate!r}, and no earlier run here left it: run stage "
                        f"{gate!r} first, or the whole pipeline"
                    )
    return results


def local_settings(home: Path) -> MlSettings:
    """Return the section ``[ml]`` of a local run: what the environment says, artifacts in the folder of local runs.

    Args:
        home: The folder of local runs.

    Raises:
        StageConfigurationError: A value is not one of those allowed.
    """
    store = os.environ.get("AIRFLOW__ML__STORE") or f"file://{home / 'artifacts'}"
    # On a laptop who runs a pipeline is who wrote it: its stages get what this process has, and may do what it may.
    usual = {"stage_environment": "*", "isolate_stages": "False"}
    return MlSettings.of(
        lambda option: os.environ.get(f"AIRFLOW__ML__{option.upper()}", usual.get(option)),
        home=home / "airflow",
        store=store,
        runner="local",
    )


def resumed(request: LocalRunRequest) -> tuple[LocalRunRequest, LastRun | None]:
    """Return the request of a run that goes on, with what the last run was asked for; any other as it is.

    Raises:
        RefusedError: There is nothing to go on with, or the request asks for something else than the last run.
    """
    _require_one_way(request)
    if not request.resume:
        return request, None
    if request.patch or request.environment:
        raise RefusedError(
            "--resume goes on with the params and the environment of the last run: leave out --param and --env"
        )
    pipeline = load(Path(request.file)).spec.pipeline
    last = LocalResults(Path(request.home), pipeline).last_run()
    if last is None:
        raise RefusedError("--resume goes on with the last run in this folder, and there is none of this pipeline")
    if all(state in ("success", "skipped") for state in last.states.values()):
        raise RefusedError(f"the last run, {last.run_id}, succeeded: there is nothing to go on with")
    return replace(request, patch=last.patch, environment=last.environment), last


def _require_one_way(request: LocalRunRequest) -> None:
    if sum(map(bool, (request.begin, request.stages, request.resume))) > 1:
        raise RefusedError(
            "--from runs a stage with all that follows it, --stage single ones, --resume what the last run did not "
            "finish; give one of them"
        )


def _left_out(spec: PipelineSpec, request: LocalRunRequest, kept: LocalResults) -> list[str]:
    last = kept.last_run() if request.resume else None
    if last is not None:
        sources = [name for name, state in last.states.items() if name not in spec.stages and state == "success"]
        wanted = {name for name, state in last.states.items() if state != "success"}
        return [*sources, *(name for name in in_order(spec) if name not in wanted)]
    wanted = downstream(spec, request.begin) if request.begin else set(request.stages) or set(spec.stages)
    return [name for name in in_order(spec) if name not in wanted]
