"""The configuration section ``[ml]``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airflow.configuration import AIRFLOW_HOME, conf

from airflow_ml_provider.exceptions import StageConfigurationError

SECTION = "ml"
RUNNERS = ("kubernetes", "local")
TRACKING_CHOICES = ("fail", "continue")


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
    """

    store: str
    runner: str
    on_tracking_unavailable: str
    image: str
    namespace: str
    pod_template: str

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
