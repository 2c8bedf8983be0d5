"""From pipeline specs to DAGs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_ml_provider.dag_factory.builder import build
    from airflow_ml_provider.dag_factory.folder import load_dags
    from airflow_ml_provider.dag_factory.single_file import load_file

__all__ = ["build", "load_dags", "load_file"]

_MODULES = {"build": "builder", "load_dags": "folder", "load_file": "single_file"}


def __getattr__(name: str) -> Any:
    # The command line needs a module of this package and not the seconds that Airflow takes to import.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
