"""Checks beyond the shape: references, cycles, files; user code is never imported."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from airflow_ml_provider.protocol.names import RESERVED_OUTPUTS
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.problems import did_you_mean
from airflow_ml_provider.spec.stages import CodeStageSpec, EvaluateSpec, RegisterSpec, StageSpec, ValidateSpec
from airflow_ml_provider.spec.suite import SuiteError, check_suite
from airflow_ml_provider.spec.yaml_source import KeyPath

RESERVED_STAGES = ("finish", "sources")

Finding = tuple[KeyPath, str]


def check_pipeline(spec: PipelineSpec, *, folder: Path) -> list[Finding]:
    """Return what is wrong with a pipeline whose shape is right, as key path and message.

    Args:
        spec: The pipeline.
        folder: Where its relative paths start.
    """
    return [*_stages(spec), *_files(spec, folder), *_cycle(spec)]


def _stages(spec: PipelineSpec) -> Iterator[Finding]:
    for name, stage in spec.stages.items():
        where = ("stages", name)
        if name in RESERVED_STAGES:
            yield where, f"{name!r} is a reserved name; rename the stage"
        for index, needed in enumerate(stage.needs):
            if needed not in spec.stages:
                yield (*where, "needs", index), _no_stage(spec, needed)
        for key, reference in stage.references().items():
            message = _reference(spec, stage, reference.stage, reference.output)
            if message:
                yield (*where, *key), message
        if isinstance(stage, ValidateSpec | EvaluateSpec):
            yield from _branch(spec, name, stage)
        if isinstance(stage, RegisterSpec) and spec.tracking is None:
            yield where, "register needs MLflow: remove 'tracking: false'"
        for reserved in set(RESERVED_OUTPUTS) & stage.output_types().keys():
            yield (*where, "outputs", reserved), f"output {reserved!r} is a reserved name; rename it"


def _reference(spec: PipelineSpec, reader: StageSpec, stage: str, output: str) -> str | None:
    if stage == "sources":
        return "sources are not there in this version; read data with a stage of kind ingest"
    if stage not in spec.stages:
        return _no_stage(spec, stage)
    types = spec.stages[stage].output_types()
    if output not in types:
        known = ", ".join(types) or "none"
        return f"stage {stage!r} has no output {output!r}; it has {known}{did_you_mean(output, types)}"
    if isinstance(reader, RegisterSpec) and types[output] not in ("model", "directory"):
        return f"{stage}.{output} is a {types[output]}, a model is wanted"
    return None


def _branch(spec: PipelineSpec, name: str, stage: ValidateSpec | EvaluateSpec) -> Iterator[Finding]:
    for index, other in enumerate(stage.if_failed):
        where = ("stages", name, "if_failed", index)
        if other not in spec.stages:
            yield where, _no_stage(spec, other)
        elif name not in spec.upstream(other):
            yield where, f"stage {other!r} does not follow {name!r}; add 'needs: [{name}]' to it"


def _files(spec: PipelineSpec, folder: Path) -> Iterator[Finding]:
    if spec.code and not (folder / spec.code).is_dir():
        yield ("code",), f"there is no folder {folder / spec.code}"
    for name, stage in spec.stages.items():
        if isinstance(stage, CodeStageSpec):
            if stage.code and not (folder / stage.code).is_dir():
                yield ("stages", name, "code"), f"there is no folder {folder / stage.code}"
            yield from _module(spec, name, stage, folder)
        if isinstance(stage, ValidateSpec):
            try:
                check_suite(folder / stage.suite)
            except SuiteError as error:
                yield ("stages", name, "suite"), str(error)


def _module(spec: PipelineSpec, name: str, stage: CodeStageSpec, folder: Path) -> Iterator[Finding]:
    """Only what is in the shipped folder can be known here; other modules live where the stage runs."""
    code = spec.code_folder(stage)
    if not stage.run or not code or not (folder / code).is_dir():
        return
    root = (folder / code).resolve()
    module = stage.run.partition(":")[0].split(".")
    if module[0] != root.name:
        return
    path = root.joinpath(*module[1:])
    if not path.with_suffix(".py").is_file() and not (path / "__init__.py").is_file():
        yield ("stages", name, "run"), f"there is no file {path.with_suffix('.py')}"


def _cycle(spec: PipelineSpec) -> Iterator[Finding]:
    graph = {name: spec.upstream(name) & spec.stages.keys() for name in spec.stages}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        around = list(reversed(error.args[1]))
        yield ("stages", around[0]), f"stages wait for each other: {' -> '.join(around)}"


def _no_stage(spec: PipelineSpec, name: str) -> str:
    return f"there is no stage {name!r}; there are {', '.join(spec.stages)}{did_you_mean(name, spec.stages)}"
