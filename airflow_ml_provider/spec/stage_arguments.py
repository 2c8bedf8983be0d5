"""Fields of a stage's spec to arguments of its operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from airflow_ml_provider.spec.params import Params
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.references import Reference
from airflow_ml_provider.spec.registration import champion_of, gates_before, promoted_later
from airflow_ml_provider.spec.stages import CodeStageSpec


@dataclass(frozen=True)
class Around:
    """What the arguments of a stage take from the rest of its pipeline.

    Attributes:
        spec: The pipeline.
        output: Returns what stands for an output of another stage.
        results: What stages that do not run put out.
    """

    spec: PipelineSpec
    output: Callable[[Reference], Any]
    results: Mapping[str, Mapping[str, Any]]

    @property
    def code(self) -> str | None:
        """The pipeline's folder of code."""
        return self.spec.code

    def champion_of(self, stage: str) -> str | None:
        """Return the registered model whose champion an evaluate stage compares with."""
        return champion_of(self.spec, stage)

    def gates_before(self, register: str) -> list[str]:
        """Return the stages whose gates a register stage needs."""
        return gates_before(self.spec, register)

    def card_of(self, gates: Sequence[str]) -> str | None:
        """Return the last of some stages that put out a model card, where one of them did."""
        cards = [
            gate
            for gate in gates
            if "card" in self.spec.stages[gate].output_types()
            and (gate not in self.results or "card" in self.results[gate])
        ]
        return cards[-1] if cards else None

    def promoted_later(self, register: str, *, by_serving: bool) -> bool:
        """Whether what a stage registers becomes champion in a later one, or in a later one that serves it."""
        return promoted_later(self.spec, register, by_serving=by_serving)


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
        return _in_airflow(spec, name, output, Around(spec, output, results))
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
    return arguments | stage.completed(name, Around(spec, output, results))


def _in_airflow(spec: PipelineSpec, name: str, output: Callable[[Reference], Any], around: Around) -> dict[str, Any]:
    stage = spec.stages[name]
    return {
        "task_id": name,
        "retries": spec.retries if stage.retries is None else stage.retries,
        "retry_delay": spec.retry_delay if stage.retry_delay is None else stage.retry_delay,
        "doc_md": stage.doc,
        "response_timeout": stage.timeout,
        "mlflow_conn_id": None if spec.tracking is None else spec.tracking.connection,
        **{key: _with_outputs(value, output) for key, value in stage.arguments().items()},
        **stage.completed(name, around),
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
