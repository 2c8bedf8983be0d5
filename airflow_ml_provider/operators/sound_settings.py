"""Rules of a stage's settings, told as an operator tells them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_ml_provider.exceptions import StageConfigurationError


@contextmanager
def settings_of(task_id: str) -> Iterator[None]:
    """Raise what ``decisions/stage_rules.py`` says as the error of a stage.

    Raises:
        StageConfigurationError: A rule does not hold.
    """
    try:
        yield
    except ValueError as error:
        raise StageConfigurationError(f"stage {task_id!r}: {error}") from error
