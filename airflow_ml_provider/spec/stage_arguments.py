"""Fields of a stage's spec to arguments of its operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from airflow_ml_provider.decisions.models.gate_rules import CHAMPION
from airflow_ml_provider.spec.params import Params
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.references import Reference
from airflow_ml_provider.spec.registration import champion_of, gates_before, promoted_later
from airflow_ml_provider.spec.stages import CodeStageSpec


def stage_arguments(
    spec: PipelineSpec,
    name: str,
    *,
    output: Callable[[Reference], Any],
    results: Mapping[str, Mapping[str, Any]],
    base_folder: str,
) -> dict[str, Any]:
    """Return the arguments of one stage: those of its operator, without what describes its pod.

    Args:
        spec: The pipeline.
        name: The stage.
        output: Returns what stands for an output of another stage.
        results: What stages that do not run put out.
        base_folder: Where relative paths start.
    """
    stage = spec.stages[name]
    if stage.in_airflow:
        return _in_airflow(spec, name, output)
    arguments: dict[str, Any] = {
        **shared_arguments(spec, name, base_folder=base_folder),
        "runner": stage.runner or spec.runner,
        "retries": spec.retries if stage.retries is None else stage.retries,
        "retry_delay": spec.retry_delay if stage.retry_delay is None else stage.retry_delay,
        "execution_timeout": stage.timeout,
        "doc_md": stage.doc,
        "no_retry": list(stage.no_retry),
    }
    image = stage.image or spec.image
    if image:
        arguments["image"] = image
    if spec.caches(name):
        from airflow_ml_provider.spec.cache import cache_argument

        arguments["cache"] = cache_argument(spec.cache, stage.cache)
    if stage.resources:
        arguments["stage_resources"] = stage.resources.model_dump(exclude_none=True)
    arguments |= {key: _with_outputs(value, output) for key, value in stage.arguments().items()}
    if isinstance(stage, CodeStageSpec):
        arguments["code"] = spec.code_folder(stage) if stage.run or stage.command or stage.loads_model else None
        arguments["io_image"] = spec.image
    if stage.kind == "evaluate" and CHAMPION in arguments["gate"]:
        arguments["champion_of"] = champion_of(spec, name)
    elif stage.loads_model and (stage.kind != "register" or arguments["loader"]):
        arguments["code"] = spec.code
    if stage.kind == "serve":
        registers = stage.references()["model",].stage
        arguments["gates"] = [output(Reference(gate, "gate")) for gate in gates_before(spec, registers)]
    if stage.kind == "register":
        gates = gates_before(spec, name)
        arguments["promote"] = not promoted_later(spec, name, by=("approve", "serve"))
        arguments["gates"] = [output(Reference(gate, "gate")) for gate in gates]
        cards = [
            gate
            for gate in gates
            if "card" in spec.stages[gate].output_types() and (gate not in results or "card" in results[gate])
        ]
        if cards:
            arguments["card"] = output(Reference(cards[-1], "card"))
    return arguments


def _in_airflow(spec: PipelineSpec, name: str, output: Callable[[Reference], Any]) -> dict[str, Any]:
    stage = spec.stages[name]
    registers = stage.references()["model",].stage
    promote = {} if not promoted_later(spec, registers, by=("serve",)) else {"promote": False}
    return {
        **promote,
        "task_id": name,
        "retries": spec.retries if stage.retries is None else stage.retries,
        "retry_delay": spec.retry_delay if stage.retry_delay is None else stage.retry_delay,
        "doc_md": stage.doc,
        "response_timeout": stage.timeout,
        "mlflow_conn_id": None if spec.tracking is None else spec.tracking.connection,
        **{key: _with_outputs(value, output) for key, value in stage.arguments().items()},
    }


def shared_arguments(spec: PipelineSpec, task_id: str, *, base_folder: str) -> dict[str, Any]:
    """Return what tasks take from their pipeline."""
    return {
        "task_id": task_id,
        "base_folder": base_folder,
        "store": spec.store,
        "runner": spec.runner,
        "mlflow_conn_id": None if spec.tracking is None else spec.tracking.connection,
        "experiment": None if spec.tracking is None else spec.tracking.experiment,
        "retries": spec.retries,
        "retry_delay": spec.retry_delay,
    }


def _with_outputs(value: Any, output: Callable[[Reference], Any]) -> Any:
    match value:
        case Reference():
            return output(value)
        case Params() if value.references:
            fixed = [dict(value)] if value else []
            return [*(output(reference) for reference in value.references.values()), *fixed]
        case dict():
            return {key: _with_outputs(item, output) for key, item in value.items()}
        case list():
            return [_with_outputs(item, output) for item in value]
        case BaseModel():
            return value.model_dump(exclude_none=True)
    return value
