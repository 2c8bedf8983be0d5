"""What tests of pipelines use, next to the pytest fixtures; real servers for this project's own tests."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_ml_provider.testing.clock import FakeClock
    from airflow_ml_provider.testing.pipelines import PipelineRun, PipelineRunError, run_pipeline

__all__ = ["FakeClock", "PipelineRun", "PipelineRunError", "run_pipeline"]

_MODULES = {
    "FakeClock": "clock",
    "PipelineRun": "pipelines",
    "PipelineRunError": "pipelines",
    "run_pipeline": "pipelines",
}


def __getattr__(name: str) -> Any:
    # pytest loads this package in every session.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
