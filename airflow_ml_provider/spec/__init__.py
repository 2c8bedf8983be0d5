"""The pipeline as data: models, YAML with source positions, checks; no Airflow.

``PipelineSpec``, ``load_pipeline``, ``Problem`` and ``SpecError`` are imported when they are first asked for, so that
an operator that only checks a suite does not build the models of all stages.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_ml_provider.spec.load import load_pipeline
    from airflow_ml_provider.spec.pipeline import PipelineSpec
    from airflow_ml_provider.spec.problems import Problem, SpecError

__all__ = ["PipelineSpec", "Problem", "SpecError", "load_pipeline"]

_MODULES = {"PipelineSpec": "pipeline", "Problem": "problems", "SpecError": "problems", "load_pipeline": "load"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
