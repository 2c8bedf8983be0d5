"""What stages of a kind are after rendering."""

from __future__ import annotations

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kind_registry import KindError, find_kind, load_part
from airflow_ml_provider.kinds.stage import Stage


def stage_class(name: str) -> type[Stage] | None:
    """Return the stage class of a kind, ``None`` where only an operator knows what it does.

    Raises:
        StageConfigurationError: The package that brings it is broken.
    """
    try:
        kind = find_kind(name)
        return load_part(name, kind.stage, base=Stage) if kind is not None and kind.stage else None
    except KindError as error:
        raise StageConfigurationError(str(error)) from error
