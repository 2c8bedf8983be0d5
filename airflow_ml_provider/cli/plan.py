"""``airflow-ml plan``: what a run would do, stage by stage, without Airflow."""

from __future__ import annotations

import json
from typing import Any

import typer

from airflow_ml_provider.spec.kinds import BUILT_IN
from airflow_ml_provider.spec.load import LoadedPipeline
from airflow_ml_provider.spec.order import in_order
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.stages import CodeStageSpec


def plan(spec: PipelineSpec) -> list[dict[str, Any]]:
    """Return what each stage would do, in the order of the run."""
    return [_stage(spec, name) for name in in_order(spec)]


def print_plan(loaded: LoadedPipeline, *, as_json: bool) -> None:
    """Print the plan as a table, or as JSON."""
    stages = plan(loaded.spec)
    if as_json:
        typer.echo(json.dumps({"pipeline": loaded.spec.pipeline, "stages": stages}, indent=2))
        return
    # Not imported with the module: only this needs it.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "stage", "kind", "runs", "where", "after", "reads", box=None, pad_edge=False)
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
        )
    Console(width=None if typer.get_text_stream("stdout").isatty() else 200, highlight=False, emoji=False).print(table)


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
