"""What a run would do, stage by stage: take an earlier result, or run, and why; nothing is written."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

from airflow.sdk import DAG, Context, XComArg
from airflow.sdk.definitions.xcom_arg import PlainXComArg
from jinja2.exceptions import TemplateError

from airflow_ml_provider.artifacts.layout import content_uri
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.dag_factory.builder import build
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.execution.stage_request import stage_request
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.reuse.stage_reuse import StageReuse
from airflow_ml_provider.spec.order import in_order
from airflow_ml_provider.spec.pipeline import PipelineSpec

NO_RUN = "_plan"


@dataclass(frozen=True)
class StageForecast:
    """What would become of a stage.

    Attributes:
        verdict: ``reused``, ``runs``, or ``unknown`` until another stage has run.
        reason: From which run, why, or on what it depends.
    """

    verdict: Literal["reused", "runs", "unknown"]
    reason: str


class _UnknownError(Exception):
    """Something is known only while the pipeline runs; the message says what."""


class _ReadingStore(ArtifactStore):
    def put_content(self, store: str, content: bytes, *, suffix: str) -> ArtifactRef:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return ArtifactRef(uri=content_uri(store, digest, suffix), digest=digest, type="file", size=len(content))


def forecast(spec: PipelineSpec, *, base_folder: Path) -> dict[str, StageForecast]:
    """Return what would become of each stage, in the order of the run.

    Args:
        spec: The pipeline.
        base_folder: Where its relative paths start.

    Raises:
        StoreAwayError: The artifact store did not answer.
    """
    dag = build(spec, base_folder=base_folder)
    found: dict[str, StageForecast] = {}
    results: dict[str, StageResult] = {}
    for name in in_order(spec):
        found[name] = _stage(dag, name, results)
    return found


def _stage(dag: DAG, name: str, results: dict[str, StageResult]) -> StageForecast:
    operator = dag.get_task(name)
    if not isinstance(operator, StageOperator):
        return StageForecast("runs", "it has no result to reuse")
    if not operator.cache:
        return StageForecast("runs", "its cache is off")
    params = dag.params.dump()
    instance = SimpleNamespace(dag_id=dag.dag_id, run_id=NO_RUN, task_id=name, map_index=-1, try_number=1)
    context = cast("Context", {"dag": dag, "params": params, "ti": instance, "task": operator})
    try:
        operator = _rendered(operator, dag, context, results)
        stage, run = operator.stage(context), operator.run_context(context)
        request = stage_request(stage, run, store=_ReadingStore())
    except _UnknownError as error:
        return StageForecast("unknown", str(error))
    except StageConfigurationError as error:
        return StageForecast("runs", f"and would fail: {error}")
    in_pods = run.settings.runner == "kubernetes"
    image = operator.pod_settings(context, staged=False).image if in_pods else str
    reuse = StageReuse(stage, run, image=image)
    provenance = reuse.provenance(request)
    if isinstance(provenance, str):
        return StageForecast("runs", provenance)
    considered = reuse.forecast(provenance)
    if considered.kept is None:
        return StageForecast("runs", considered.reuse.reason)
    results[name] = considered.kept.result
    return StageForecast("reused", considered.reuse.reason)


def _rendered(operator: StageOperator, dag: DAG, context: Context, results: Mapping[str, StageResult]) -> StageOperator:
    """Return a copy whose templates are rendered, with what reused stages put out.

    Raises:
        _UnknownError: A value comes from a stage that runs, or from the run itself.
    """
    ready = copy.copy(operator)
    jinja = dag.get_template_env()
    for field in ("code", "command", "hyperparameters", "inputs", "run", *_own_fields(operator)):
        value = _filled(getattr(operator, field), results)
        try:
            setattr(ready, field, operator.render_field(field, value, context, jinja))
        except TemplateError as error:
            raise _UnknownError(f"its {field} is known only in a run: {error}") from error
    return ready


def _own_fields(operator: StageOperator) -> list[str]:
    return sorted(set(type(operator).template_fields) - set(StageOperator.template_fields))


def _filled(value: Any, results: Mapping[str, StageResult]) -> Any:
    match value:
        case PlainXComArg():
            stage = value.operator.task_id
            if stage not in results:
                raise _UnknownError(f"it depends on {stage!r}, which runs")
            outputs = {name: ref.to_plain() for name, ref in results[stage].outputs.items()}
            put_out = {**outputs, **results[stage].values, "metrics": dict(results[stage].metrics)}
            if value.key not in put_out:
                raise _UnknownError(f"it depends on {value.key!r} of {stage!r}, which is known only in a run")
            return put_out[value.key]
        case XComArg():
            raise _UnknownError("it depends on a value that is computed in a run")
        case dict():
            return {key: _filled(item, results) for key, item in value.items()}
        case list() | tuple():
            return type(value)(_filled(item, results) for item in value)
    return value
