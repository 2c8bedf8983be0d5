"""``airflow-ml plan``: what a run would do, stage by stage."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.cli.pipelines.files import fail
from airflow_ml_provider.errors import MlError
from airflow_ml_provider.kind_registry import BUILT_IN
from airflow_ml_provider.protocol.plain_text import one_line
from airflow_ml_provider.spec.loading.load import LoadedPipeline
from airflow_ml_provider.spec.order import in_order
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.stages import CodeStageSpec

if TYPE_CHECKING:
    from airflow_ml_provider.reuse.forecast import StageForecast


def plan(spec: PipelineSpec) -> list[dict[str, Any]]:
    """Return what each stage would do, in the order of the run."""
    return [_stage(spec, name) for name in in_order(spec)]


def print_plan(loaded: LoadedPipeline, *, as_json: bool, in_airflow: bool) -> None:
    """Print the plan as a table, or as JSON.

    Args:
        loaded: The pipeline.
        as_json: As JSON.
        in_airflow: Say what Airflow would reuse, with its store and runner, not what a run on this machine would.
    """
    spec = loaded.spec
    stages = plan(spec)
    if any(spec.caches(name) for name in spec.stages):
        forecasts = _forecast(loaded, in_airflow=in_airflow)
        for stage in stages:
            stage["cache"] = asdict(forecasts[stage["stage"]])
    if as_json:
        typer.echo(json.dumps({"pipeline": spec.pipeline, "stages": stages}, indent=2))
        return
    # Not imported with the module: only this needs it.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    more = ["cache"] if "cache" in stages[0] else []
    table = Table("", "stage", "kind", "runs", "where", "after", "reads", *more, box=None, pad_edge=False)
    for number, stage in enumerate(stages, start=1):
        where = " ".join(part for part in (stage["runner"], stage["image"]) if part)
        table.add_row(
            str(number),
            stage["stage"],
            stage["kind"],
            Text(stage["runs"]),
            Text(where),
            ", ".join(stage["after"]),
            ", ".join(f"{name} = {source}" for name, source in stage["inputs"].items()),
            *([Text(one_line(_told(stage["cache"])))] if more else []),
        )
    Console(width=None if typer.get_text_stream("stdout").isatty() else 240, highlight=False, emoji=False).print(table)


def _forecast(loaded: LoadedPipeline, *, in_airflow: bool) -> dict[str, StageForecast]:
    base_folder = Path(loaded.document.file).absolute().parent
    try:
        if in_airflow:
            # Airflow is imported for this alone.
            os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "CRITICAL")
            from airflow_ml_provider.dag_factory.builder import build
            from airflow_ml_provider.dag_factory.forecast import NotedPipeline, forecast

            dag = build(loaded.spec, base_folder=base_folder)
            return forecast(NotedPipeline.of(dag, params=dag.params.dump()))
        from airflow_ml_provider.local.events import FOLDER
        from airflow_ml_provider.local.forecast import local_forecast

        return local_forecast(loaded.spec, base_folder=base_folder, home=Path.cwd() / FOLDER)
    except (StoreError, MlError) as error:
        fail(str(error))


def _told(cache: dict[str, str]) -> str:
    return {"reused": "reused from {}", "runs": "runs: {}", "unknown": "not known yet: {}"}[cache["verdict"]].format(
        cache["reason"]
    )


def _stage(spec: PipelineSpec, name: str) -> dict[str, Any]:
    stage = spec.stages[name]
    runs = "built in" if stage.kind in BUILT_IN else "its package's"
    if isinstance(stage, CodeStageSpec) and (stage.run or stage.command):
        runs = stage.run or " ".join(stage.command or ())
    return {
        "stage": name,
        "kind": stage.kind,
        "runs": runs,
        "runner": stage.runner or spec.runner or "",
        "image": stage.image or spec.image or "",
        "after": sorted(spec.upstream(name)),
        "inputs": {str(key[-1]): str(reference) for key, reference in stage.references().items()},
        "outputs": stage.output_types(),
    }
