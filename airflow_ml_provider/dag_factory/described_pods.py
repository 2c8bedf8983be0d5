"""Which pod settings of a pipeline are a stage's."""

from __future__ import annotations

from typing import Any

from airflow_ml_provider.spec.pipeline import PipelineSpec


def pod_arguments_of(spec: PipelineSpec, stage: str | None, *, base_folder: str) -> dict[str, Any]:
    """Return the arguments by which an operator describes its pod.

    Args:
        spec: The pipeline.
        stage: The stage, ``None`` for what only has the pipeline's.
        base_folder: Where relative paths start.
    """
    own = None if stage is None else spec.stages[stage].pod
    pod = own.over(spec.pod) if own and spec.pod else own or spec.pod
    if pod is None:
        return {}
    # Most pipelines say nothing of pods, and their parse loads nothing of it.
    from airflow_ml_provider.dag_factory.pod_arguments import pod_arguments

    return pod_arguments(pod, base_folder=base_folder)
