"""What this package reads of Airflow's configuration."""

from __future__ import annotations

from pathlib import Path

from airflow.configuration import AIRFLOW_HOME, conf

from airflow_ml_provider.settings import SECTION, MlSettings

SCHEDULER_SECONDS = 3.0
"""How long Airflow's scheduler may take from the end of a worker's process to knowing of it."""


def ml_settings(*, store: str | None = None, runner: str | None = None) -> MlSettings:
    """Read the section ``[ml]``; arguments of an operator come before it.

    Raises:
        StageConfigurationError: A value is not one of those allowed.
    """
    return MlSettings.of(
        lambda option: conf.get(SECTION, option, fallback=None), home=Path(AIRFLOW_HOME), store=store, runner=runner
    )


def deferral_seconds() -> float:
    """Return how long after its deferral a task resumes at the earliest.

    When it runs before the scheduler knows that the process which deferred it has ended, the scheduler takes it for one
    that was killed: https://github.com/apache/airflow/issues/72716. A worker may see the end of its process as late as
    at its next heartbeat.
    """
    return conf.getfloat("workers", "min_heartbeat_interval") + SCHEDULER_SECONDS
