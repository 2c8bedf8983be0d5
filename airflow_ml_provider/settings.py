"""The configuration section ``[ml]``."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airflow.configuration import AIRFLOW_HOME, conf

from airflow_ml_provider.errors import StageConfigurationError

SECTION = "ml"
RUNNERS = ("kubernetes", "local")
TRACKING_CHOICES = ("fail", "continue")
DEFER_AFTER_SECONDS = 15.0
SCHEDULER_SECONDS = 3.0
"""How long Airflow's scheduler may take from the end of a worker's process to knowing of it."""


@dataclass(frozen=True)
class MlSettings:
    """Values of ``[ml]``, checked.

    Attributes:
        store: URI of the artifact store.
        runner: Where stages run.
        on_tracking_unavailable: ``fail`` the stage before any work, or ``continue`` untracked.
        image: Image of pods that name none, empty when there is none.
        namespace: Namespace of pods that name none, empty when there is none.
        pod_template: Path of a pod template for pods that have none, empty when there is none.
        defer_after: For how long a deferrable stage is followed in its task before it defers, in seconds.
    """

    store: str
    runner: str
    on_tracking_unavailable: str
    image: str
    namespace: str
    pod_template: str
    defer_after: float

    @classmethod
    def read(cls, *, store: str | None = None, runner: str | None = None) -> MlSettings:
        """Read the section; arguments of the operator come before it.

        Raises:
            StageConfigurationError: A value is not one of those allowed.
        """
        default_store = f"file://{Path(AIRFLOW_HOME) / 'ml-artifacts'}"
        choice = conf.get(SECTION, "on_tracking_unavailable", fallback="fail")
        return cls(
            store=require_store(store or conf.get(SECTION, "store", fallback="") or default_store),
            runner=_one_of(runner or conf.get(SECTION, "runner", fallback="local"), RUNNERS, "runner"),
            on_tracking_unavailable=_one_of(choice, TRACKING_CHOICES, "on_tracking_unavailable"),
            image=conf.get(SECTION, "image", fallback=""),
            namespace=conf.get(SECTION, "namespace", fallback=""),
            pod_template=conf.get(SECTION, "pod_template", fallback=""),
            defer_after=_seconds("defer_after", fallback=DEFER_AFTER_SECONDS),
        )


def require_store(uri: str) -> str:
    """Return the store's URI; a plain absolute path becomes a ``file://`` URI.

    Raises:
        StageConfigurationError: It is a relative path.
    """
    if "://" in uri:
        return uri.rstrip("/")
    if not Path(uri).is_absolute():
        raise StageConfigurationError(
            f"store {uri!r} is relative: use a URI such as s3://bucket/prefix or file:///path"
        )
    return f"file://{uri.rstrip('/')}"


def deferral_seconds() -> float:
    """Return how long after its deferral a task resumes at the earliest.

    When it runs before the scheduler knows that the process which deferred it has ended, the scheduler takes it for one
    that was killed: https://github.com/apache/airflow/issues/72716. A worker may see the end of its process as late as
    at its next heartbeat.
    """
    return conf.getfloat("workers", "min_heartbeat_interval") + SCHEDULER_SECONDS


def _seconds(option: str, *, fallback: float) -> float:
    value = conf.get(SECTION, option, fallback=str(fallback))
    with suppress(ValueError):
        if 0 <= float(value) < math.inf:
            return float(value)
    raise StageConfigurationError(f"[{SECTION}] {option} is {value!r}; write a number of seconds, 0 or more")


def _one_of(value: str, allowed: tuple[str, ...], option: str) -> str:
    if value not in allowed:
        raise StageConfigurationError(f"[{SECTION}] {option} is {value!r}; allowed are {', '.join(allowed)}")
    return value
