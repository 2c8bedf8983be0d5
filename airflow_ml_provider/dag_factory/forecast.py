"""What a run would do, stage by stage: take an earlier result, or run, and why; nothing is written."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from airflow.sdk import DAG, Context, XComArg
from airflow.sdk.definitions.xcom_arg import PlainXComArg
from jinja2.exceptions import TemplateError

from airflow_ml_provider.dag_factory.builder import build
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.execution.stage_request import stage_request
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.reuse.forecast import Forecast, ReadingStore, StageForecast, UnknownUntilRunError
from airflow_ml_provider.reuse.stage_reuse import StageReuse
from airflow_ml_provider.spec.order import in_order
from airflow_ml_provider.spec.pipeline import PipelineSpec

NO_RUN = "_plan"


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
    known = Forecast()
    for name in in_order(spec):
        found[name] = _stage(dag, name, known)
    return found


def _stage(dag: DAG, name: str, known: Forecast) -> StageForecast:
    operator = dag.get_task(name)
    if not isinstance(operator, StageOperator):
        return StageForecast("runs", "it has no result to reuse")
    if not operator.cache:
        return StageForecast("runs", "its cache is off")
    instance = SimpleNamespace(dag_id=dag.dag_id, run_id=NO_RUN, task_id=name, map_index=-1, try_number=1)
    context = cast("Context", {"dag": dag, "params": dag.params.dump(), "ti": instance, "task": operator})
    try:
        operator = _rendered(operator, dag, context, known)
        stage, run = operator.stage(context), operator.run_context(context)
        in_pods = run.settings.runner == "kubernetes"
        image = operator.pod_settings(context, staged=False).image if in_pods else str
        reuse = StageReuse(stage, run, image=image)
        return known.of(name, reuse, lambda: stage_request(stage, run, store=ReadingStore()))
    except UnknownUntilRunError as error:
        return StageForecast("unknown", str(error))
    except StageConfigurationError as error:
        return StageForecast("runs", f"and would fail: {error}")


def _rendered(operator: StageOperator, dag: DAG, context: Context, known: Forecast) -> StageOperator:
    """Return a copy whose templates are rendered, with what reused stages put out.

    Raises:
        UnknownUntilRunError: A value comes from a stage that runs, or from the run itself.
    """
    ready = copy.copy(operator)
    jinja = dag.get_template_env()
    for field in operator.stage_class.template_fields:
        value = _filled(getattr(operator, field), known)
        try:
            setattr(ready, field, operator.render_field(field, value, context, jinja))
        except TemplateError as error:
            raise UnknownUntilRunError(f"its {field} is known only in a run: {error}") from error
    return ready


def _filled(value: Any, known: Forecast) -> Any:
    match value:
        case PlainXComArg():
            return known.output(value.operator.task_id, value.key)
        case XComArg():
            raise UnknownUntilRunError("it depends on a value that is computed in a run")
        case dict():
            return {key: _filled(item, known) for key, item in value.items()}
        case list() | tuple():
            return type(value)(_filled(item, known) for item in value)
    return value
