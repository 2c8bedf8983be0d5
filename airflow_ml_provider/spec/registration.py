"""How the stages of a pipeline that measure a model and register it belong together."""

from __future__ import annotations

from airflow_ml_provider.spec.pipeline import PipelineSpec


def champion_of(spec: PipelineSpec, evaluate: str) -> str | None:
    """Return the registered model whose champion an evaluate stage compares with, ``None`` when nothing says it.

    It is what the stage says, else the name under which the pipeline registers a model that the stage reads.
    """
    from airflow_ml_provider.spec.stages import EvaluateSpec, RegisterSpec

    stage = spec.stages[evaluate]
    assert isinstance(stage, EvaluateSpec)
    if stage.champion_of:
        return stage.champion_of
    names = {
        other.name
        for other in spec.stages.values()
        if isinstance(other, RegisterSpec) and other.model in stage.inputs.values()
    }
    return names.pop() if len(names) == 1 else None


def promoted_later(spec: PipelineSpec, register: str, *, by_serving: bool) -> bool:
    """Whether what a stage registers becomes champion in a later one.

    Args:
        spec: The pipeline.
        register: The register stage.
        by_serving: Only in one that serves it, and not by a person's answer.
    """
    later = (other for other in spec.stages.values() if other.promotes and (other.serves or not by_serving))
    return any(other.references()["model",].stage == register for other in later)


def gates_before(spec: PipelineSpec, register: str) -> list[str]:
    """Return the evaluate stages with a gate that a register stage needs and that measured its model."""
    from airflow_ml_provider.spec.stages import EvaluateSpec, RegisterSpec

    stage = spec.stages[register]
    assert isinstance(stage, RegisterSpec)
    return [
        other
        for other in stage.needs
        if isinstance(found := spec.stages[other], EvaluateSpec) and found.gate and stage.model in found.inputs.values()
    ]
