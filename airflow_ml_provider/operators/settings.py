"""The configuration section ``[ml]``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airflow.configuration import AIRFLOW_HOME, conf

from airflow_ml_provider.exceptions import StageConfigurationError

SECTION = "ml"
RUNNERS = ("local",)
TRACKING_CHOICES = ("fail", "continue")


@dataclass(frozen=True)
class MlSettings:
    """Values of ``[ml]``, checked.

    Attributes:
        store: URI of the artifact store.
        runner: Where stages run.
        on_tracking_unavailable: ``fail`` the stage before any work, or ``continue`` untracked.
    """

    store: str
    runner: str
    on_tracking_unavailable: str

    @classmethod
    def read(cls, *, store: str | None, runner: str | None) -> MlSettings:
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


def _one_of(value: str, allowed: tuple[str, ...], option: str) -> str:
    if value not in allowed:
        raise StageConfigurationError(f"[{SECTION}] {option} is {value!r}; allowed are {', '.join(allowed)}")
    return value
