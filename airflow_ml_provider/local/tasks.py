"""The tasks of a local run: what each is, on what it waits, what it is given."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_ml_provider.kinds.lookup import stage_class
from airflow_ml_provider.kinds.source import SourceStage
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.local.events import RefusedError
from airflow_ml_provider.sources.source_arguments import source_arguments
from airflow_ml_provider.spec.order import in_order
from airflow_ml_provider.spec.pipeline import SOURCES, PipelineSpec
from airflow_ml_provider.spec.references import Reference
from airflow_ml_provider.spec.stage_arguments import stage_arguments

VALUES = ("metrics", "gate", "model", "best_params", "endpoint", "approval")
"""What stages put out next to artifacts, for other stages and people."""


@dataclass(frozen=True)
class LocalTask:
    """A task of a local run.

    Attributes:
        name: The stage's name, or ``sources.NAME``.
        stage: What it is after rendering; ``None`` for a question to a person.
        arguments: Its arguments; references stand for outputs of other tasks.
        upstream: The tasks that must end before.
        outputs: Names of its artifacts.
        timeout: The longest time that it may take.
    """

    name: str
    stage: type[Stage] | None
    arguments: Mapping[str, Any]
    upstream: tuple[str, ...]
    outputs: tuple[str, ...]
    timeout: dt.timedelta | None = None


def local_tasks(
    spec: PipelineSpec,
    *,
    base_folder: Path,
    results: Mapping[str, Mapping[str, Any]],
    to_run: bool = True,
) -> dict[str, LocalTask]:
    """Return the tasks of a run by name, in its order.

    Args:
        spec: The pipeline as it runs here.
        base_folder: Where its relative paths start.
        results: What stages that do not run put out.
        to_run: Whether they are to run; without, what needs Airflow is no obstacle, and sources are left out.

    Raises:
        RefusedError: A source or a kind needs Airflow.
    """

    def output(reference: Reference) -> Any:
        if reference.stage == SOURCES:
            return results[str(reference)]["data"] if str(reference) in results else reference
        return results[reference.stage][reference.output] if reference.stage in results else reference

    runs = [name for name in in_order(spec) if name not in results]
    first = [name for name in runs if spec.reads_sources(name) or not spec.upstream(name)]
    tasks = _sources(spec, base_folder, left_out=results) if first and to_run else {}
    sources = tuple(tasks)
    for name in runs:
        stage = spec.stages[name]
        kind = None if stage.in_airflow else stage_class(stage.kind)
        if kind is None and not stage.in_airflow and to_run:
            raise RefusedError(
                f"stage {name!r}: only the operator of kind {stage.kind!r} knows what it does: run with --airflow"
            )
        arguments = stage_arguments(spec, name, output=output, results=results, base_folder=str(base_folder))
        before = {*spec.upstream(name), *_referenced(arguments)} & {*tasks}
        if not before and name in first:
            # Without new data nothing of the run is to run.
            before = {*sources}
        tasks[name] = LocalTask(
            name=name,
            stage=kind,
            arguments=arguments if kind is None else kind.completed(arguments),
            upstream=tuple(sorted(before)),
            outputs=tuple(stage.output_types()),
            timeout=stage.timeout,
        )
    return tasks


def _sources(spec: PipelineSpec, base_folder: Path, *, left_out: Collection[str]) -> dict[str, LocalTask]:
    found = {}
    for name, source in spec.sources.items():
        if f"{SOURCES}.{name}" in left_out:
            continue
        if source.kind != "uri":
            raise RefusedError(
                f"source {name!r}: {source.kind} is read through a connection of Airflow: run with --airflow"
            )
        arguments = {**source_arguments(spec, name, base_folder=str(base_folder)), "exclusive": False}
        found[f"{SOURCES}.{name}"] = LocalTask(
            name=f"{SOURCES}.{name}",
            stage=SourceStage,
            arguments=SourceStage.completed(arguments),
            upstream=(),
            outputs=("data", "manifest"),
        )
    return found


def _referenced(value: Any) -> Iterator[str]:
    match value:
        case Reference():
            yield str(value) if value.stage == SOURCES else value.stage
        case Mapping():
            for item in value.values():
                yield from _referenced(item)
        case list() | tuple():
            for item in value:
                yield from _referenced(item)
