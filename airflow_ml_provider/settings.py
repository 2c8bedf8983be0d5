"""The configuration section ``[ml]``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airflow_ml_provider.errors import StageConfigurationError

SECTION = "ml"
RUNNERS = ("kubernetes", "local")
TRACKING_CHOICES = ("fail", "continue")
DEFER_AFTER_SECONDS = 15.0
ENDPOINTS = "ml-serving"
"""The folder of ``home`` that holds the endpoints of this machine."""


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
        service_account: ServiceAccount of pods that name none, empty for the namespace's default.
        allowed_uris: Below which URIs data may come from that whoever triggers a run chooses.
        stage_environment: Which further environment variables of a worker reach stages on the local runner.
        isolate_stages: Whether stages on the local runner are kept from looking into other processes of their user.
        home: The folder of what belongs to this machine alone, such as endpoints on it.
        defer_after: For how long a deferrable stage is followed in its task before it defers, in seconds.
    """

    store: str
    runner: str
    on_tracking_unavailable: str
    image: str
    namespace: str
    pod_template: str
    service_account: str
    defer_after: float
    allowed_uris: tuple[str, ...]
    stage_environment: tuple[str, ...]
    isolate_stages: bool
    home: Path

    @classmethod
    def of(
        cls, option: Callable[[str], str | None], *, home: Path, store: str | None = None, runner: str | None = None
    ) -> MlSettings:
        """Read the section; what a stage says itself comes before it.

        Args:
            option: Returns the value of an option, ``None`` or empty where it has none.
            home: The folder of what belongs to this machine alone.
            store: The stage's own store.
            runner: The stage's own runner.

        Raises:
            StageConfigurationError: A value is not one of those allowed.
        """
        return cls(
            store=require_store(store or option("store") or f"file://{home / 'ml-artifacts'}"),
            runner=_one_of(runner or option("runner") or "local", RUNNERS, "runner"),
            on_tracking_unavailable=_one_of(
                option("on_tracking_unavailable") or "fail", TRACKING_CHOICES, "on_tracking_unavailable"
            ),
            image=option("image") or "",
            namespace=option("namespace") or "",
            pod_template=option("pod_template") or "",
            service_account=option("service_account") or "",
            allowed_uris=_several(option("allowed_uris")),
            stage_environment=_several(option("stage_environment")),
            isolate_stages=_yes("isolate_stages", option("isolate_stages") or "True"),
            defer_after=_seconds("defer_after", option("defer_after")),
            home=home,
        )

    @property
    def endpoints(self) -> Path:
        """The folder of the endpoints of this machine."""
        return self.home / ENDPOINTS


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


def _several(given: str | None) -> tuple[str, ...]:
    return tuple(filter(None, re.split(r"[,\s]+", given or "")))


def _seconds(option: str, given: str | None) -> float:
    value = str(DEFER_AFTER_SECONDS) if given is None else given
    with suppress(ValueError):
        if 0 <= float(value) < math.inf:
            return float(value)
    raise StageConfigurationError(f"[{SECTION}] {option} is {value!r}; write a number of seconds, 0 or more")


def _yes(option: str, given: str) -> bool:
    # The words that Airflow's configuration takes.
    word = given.strip().lower()
    if word not in {"t", "true", "1", "f", "false", "0"}:
        raise StageConfigurationError(f"[{SECTION}] {option} is {given!r}; allowed are True and False")
    return word in {"t", "true", "1"}


def _one_of(value: str, allowed: tuple[str, ...], option: str) -> str:
    if value not in allowed:
        raise StageConfigurationError(f"[{SECTION}] {option} is {value!r}; allowed are {', '.join(allowed)}")
    return value
