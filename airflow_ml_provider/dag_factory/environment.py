"""Which environment this Airflow is: ``[ml] environment``."""

from __future__ import annotations

from airflow.configuration import conf


def configured_environment() -> str | None:
    """Return the name of the environment whose changes pipelines take, ``None`` for the files as they stand."""
    return conf.get("ml", "environment", fallback="") or None
