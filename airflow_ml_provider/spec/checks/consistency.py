"""Checks beyond the shape: references, types, cycles, files."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from pydantic import BaseModel

from airflow_ml_provider.decisions.models.gate_rules import CHAMPION
from airflow_ml_provider.decisions.stage_rules import RESERVED_OUTPUTS
from airflow_ml_provider.decisions.trust.param_schemas import MISSING
from airflow_ml_provider.protocol.names import REUSE_PARAM
from airflow_ml_provider.spec.checks.code_checks import check_code
from airflow_ml_provider.spec.checks.findings import Finding
from airflow_ml_provider.spec.checks.paths import is_file, is_folder
from airflow_ml_provider.spec.checks.suite import SuiteError, check_suite
from airflow_ml_provider.spec.pipeline import SOURCES, PipelineSpec
from airflow_ml_provider.spec.problems import did_you_mean
from airflow_ml_provider.spec.references import Reference
from airflow_ml_provider.spec.registration import champion_of
from airflow_ml_provider.spec.stages import CodeStageSpec, StageSpec

REGISTERED = "registered model"
RESERVED_STAGES = ("commit", "finish", SOURCES)


def check_pipeline(spec: PipelineSpec, *, folder: Path, unread: Collection[str] = ()) -> list[Finding]:
    """Return what is wrong with a pipeline whose shape is right.

    User code is read, never imported.

    Args:
        spec: The pipeline.
        folder: Where its relative paths start.
        unread: Names of stages that are in the file and not in ``spec``, because their shape is wrong.
    """
    return [
        *_params(spec),
        *_sources(spec),
        *_stages(spec, unread),
        *_files(spec, folder),
        *_cycle(spec),
        *_unused(spec, unread),
        *check_code(spec, folder=folder),
    ]


def _params(spec: PipelineSpec) -> Iterator[Finding]:
    if REUSE_PARAM in spec.params and any(spec.caches(name) for name in spec.stages):
        yield Finding(
            ("params", REUSE_PARAM), f"{REUSE_PARAM!r} is the switch of the cache in the trigger form; rename the param"
        )
    if spec.schedule is not None:
        for name, param in spec.param_schemas().items():
            if param.default is MISSING:
                yield Finding(("params", name), "a pipeline with a schedule starts by itself: give the param a default")


def _sources(spec: PipelineSpec) -> Iterator[Finding]:
    if spec.data_schedule is not None and spec.data_schedule not in spec.sources:
        yield Finding(("schedule", "data"), _no_source(spec, spec.data_schedule))
    read = {
        reference.output
        for stage in spec.stages.values()
        for reference in stage.references().values()
        if reference.stage == SOURCES
    }
    for number, name in enumerate(spec.sources):
        if number > 0:
            # What a run does with one source's data when another has none is not decided.
            yield Finding((SOURCES, name), "a pipeline takes one source: write a pipeline of its own for this one")
        uri = spec.sources[name].uri or ""
        if "{{" in uri:
            yield Finding((SOURCES, name, "uri"), "a source is the same in every run: it takes no template")
        elif any("**" in part and part != "**" for part in uri.split("/")):
            yield Finding(
                (SOURCES, name, "uri"), f"{uri!r} is not a pattern: ** stands alone between slashes, as in a/**/*.csv"
            )
        if name not in read:
            yield Finding((SOURCES, name), f"no stage reads {SOURCES}.{name}", severity="warning")


def _ignored(where: tuple[str, ...], stage: StageSpec) -> Iterator[Finding]:
    if not isinstance(stage.cache, BaseModel) or not isinstance(stage, CodeStageSpec):
        return
    for index, component in enumerate(stage.cache.ignore):
        section, _, name = component.partition(".")
        known = {"params": stage.params, "inputs": stage.inputs}.get(section, {name: None})
        if name and name not in known:
            yield Finding(
                (*where, "cache", "ignore", index),
                f"the stage has no {section.rstrip('s')} {name!r}{did_you_mean(name, known)}",
            )


def _stages(spec: PipelineSpec, unread: Collection[str]) -> Iterator[Finding]:
    for name, stage in spec.stages.items():
        where = ("stages", name)
        if name in RESERVED_STAGES:
            yield Finding(where, f"{name!r} is a reserved name; rename the stage")
        for index, needed in enumerate(stage.needs):
            if needed not in spec.stages and needed not in unread:
                yield Finding((*where, "needs", index), _no_stage(spec, needed))
        for key, reference in stage.references().items():
            if reference.stage in unread:
                continue
            message = _reference(spec, reference, wanted=stage.wanted(key), holds_params=key[0] == "params")
            if message:
                yield Finding((*where, *key), message)
        yield from _branch(spec, name, stage, unread)
        if CHAMPION in getattr(stage, "gate", ()):
            yield from _champion(spec, name)
        yield from _models(spec, name)
        yield from _ignored(where, stage)
        for reserved in set(RESERVED_OUTPUTS) & stage.output_types().keys():
            yield Finding((*where, "outputs", reserved), f"output {reserved!r} is a reserved name; rename it")


def _reference(spec: PipelineSpec, reference: Reference, *, wanted: tuple[str, ...], holds_params: bool) -> str | None:
    stage, output = reference.stage, reference.output
    if holds_params:
        return _params_of(spec, reference)
    if stage == SOURCES:
        if output not in spec.sources:
            return _no_source(spec, output)
        return f"{stage}.{output} is a dataset, a {wanted[0]} is wanted" if wanted and "dataset" not in wanted else None
    if stage not in spec.stages:
        return _no_stage(spec, stage)
    types = spec.stages[stage].output_types()
    if output not in types:
        known = ", ".join(types) or "none"
        return f"stage {stage!r} has no output {output!r}; it has {known}{did_you_mean(output, types)}"
    if types[output] == REGISTERED and REGISTERED not in wanted:
        return f"{stage}.{output} is a registered model and no artifact; read the model that {stage!r} registers"
    if wanted and types[output] not in wanted:
        return f"{stage}.{output} is a {types[output]}, a {wanted[0]} is wanted"
    return None


def _params_of(spec: PipelineSpec, reference: Reference) -> str | None:
    if reference.stage not in spec.stages:
        return _no_stage(spec, reference.stage)
    known = spec.stages[reference.stage].param_results
    if reference.output in known:
        return None
    found = (
        f"it has {', '.join(known)}"
        if known
        else f"those of kind tune have, this is of kind {spec.stages[reference.stage].kind}"
    )
    return (
        f"stage {reference.stage!r} has no params {reference.output!r}; {found}{did_you_mean(reference.output, known)}"
    )


def _branch(spec: PipelineSpec, name: str, stage: StageSpec, unread: Collection[str]) -> Iterator[Finding]:
    for index, other in enumerate(stage.branch()):
        where = ("stages", name, "if_failed", index)
        if other in unread:
            continue
        if other not in spec.stages:
            yield Finding(where, _no_stage(spec, other))
        elif name not in spec.upstream(other):
            yield Finding(where, f"stage {other!r} does not follow {name!r}; add 'needs: [{name}]' to it")


def _champion(spec: PipelineSpec, name: str) -> Iterator[Finding]:
    if spec.tracking is None:
        yield Finding(("stages", name, "gate", CHAMPION), "the champion is in MLflow: remove 'tracking: false'")
    if champion_of(spec, name) is None:
        yield Finding(
            ("stages", name, "gate", CHAMPION),
            "which model's champion? no single register stage registers a model that this stage reads: say champion_of",
        )


def _models(spec: PipelineSpec, name: str) -> Iterator[Finding]:
    where, stage = ("stages", name), spec.stages[name]
    if stage.mlflow_need() and CHAMPION not in getattr(stage, "gate", ()) and spec.tracking is None:
        yield Finding(where, f"{stage.kind} needs MLflow: remove 'tracking: false'")
    if stage.emits_events and spec.partition_schedule is not None:
        message = (
            "Airflow starts no pipeline by an event of a run with a partition: give it a pipeline without partitions"
        )
        yield Finding(where, message)
    if stage.serves:
        yield from _approved(spec, name)


def _approved(spec: PipelineSpec, serve: str) -> Iterator[Finding]:
    """A person's answer comes before what it is about serves."""
    model = spec.stages[serve].references()["model",]
    for name, stage in spec.stages.items():
        asked = stage.in_airflow and stage.references().get(("model",)) == model
        if asked and name not in spec.upstream(serve):
            yield Finding(
                ("stages", serve), f"it does not wait for {name!r}, which asks a person: add 'needs: [{name}]'"
            )


def _files(spec: PipelineSpec, folder: Path) -> Iterator[Finding]:
    if spec.code and not is_folder(folder / spec.code):
        yield Finding(("code",), f"there is no folder {folder / spec.code}")
    for name, stage in spec.stages.items():
        if isinstance(stage, CodeStageSpec) and stage.code and not is_folder(folder / stage.code):
            yield Finding(("stages", name, "code"), f"there is no folder {folder / stage.code}")
        suite = stage.suite_file()
        if suite and "{{" not in suite:
            try:
                check_suite(folder / suite)
            except SuiteError as error:
                yield Finding(("stages", name, "suite"), str(error))
    for path, template in spec.pod_templates():
        if not is_file(folder / template):
            yield Finding(path, f"there is no file {folder / template}")


def _cycle(spec: PipelineSpec) -> Iterator[Finding]:
    graph = {name: spec.upstream(name) & spec.stages.keys() for name in spec.stages}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        around = list(reversed(error.args[1]))
        yield Finding(("stages", around[0]), f"stages wait for each other: {' -> '.join(around)}")


def _unused(spec: PipelineSpec, unread: Collection[str]) -> Iterator[Finding]:
    """Stages whose only use is what they put out, and nobody reads it; a stage that was not read might."""
    if unread:
        return
    followed = {other for name in spec.stages for other in spec.upstream(name)}
    for name, stage in spec.stages.items():
        if stage.makes_data and name not in followed and len(spec.stages) > 1:
            outputs = ", ".join(f"{name}.{output}" for output in stage.output_types())
            yield Finding(("stages", name), f"no stage uses {outputs}", severity="warning")


def _no_stage(spec: PipelineSpec, name: str) -> str:
    return f"there is no stage {name!r}; there are {', '.join(spec.stages)}{did_you_mean(name, spec.stages)}"


def _no_source(spec: PipelineSpec, name: str) -> str:
    known = ", ".join(spec.sources) or "none"
    return f"there is no source {name!r}; there is {known}{did_you_mean(name, spec.sources)}"
