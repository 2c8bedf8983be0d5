"""Results that are kept to be reused: ``<store>/_results/<key>.json``, and the last one of each stage.

An entry is written whole or not at all, and refers to artifacts that were committed before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_ml_provider.artifacts.errors import InvalidArtifactError, StoreError
from airflow_ml_provider.artifacts.layout import join, store_segment
from airflow_ml_provider.artifacts.moment import require_moment
from airflow_ml_provider.artifacts.objects import filesystem, read_object, store_errors, write_object
from airflow_ml_provider.protocol.codec import from_json, to_json
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.protocol.version import PROTOCOL_VERSION, RESULT_LIMIT_BYTES

RESULTS = "_results"
_LAST = "_last"
_LIMIT_BYTES = 2 * RESULT_LIMIT_BYTES


class UnusableResultError(StoreError):
    """What is kept under a key is not a result that can be used; the stage runs and replaces it."""


@dataclass(frozen=True)
class KeptResult:
    """A result, with what it depends on and where it comes from.

    Attributes:
        key: The digest of its components.
        components: What it depends on, by name.
        result: What the stage made.
        pipeline: The pipeline that made it.
        stage: The stage.
        dag_run: The DagRun.
        kept_at: In seconds since the epoch.
        reason: Why the stage ran, or from where its result was reused.
        mlflow_run: The stage's MLflow run, empty when it was untracked.
        protocol: The protocol version of its writer.
    """

    key: str
    components: Mapping[str, Any]
    result: StageResult
    pipeline: str
    stage: str
    dag_run: str
    kept_at: float
    reason: str = ""
    mlflow_run: str = ""
    protocol: int = PROTOCOL_VERSION

    def __post_init__(self) -> None:
        require_moment("kept_at", self.kept_at)
        if self.protocol != PROTOCOL_VERSION:
            raise ProtocolError(f"it was kept by protocol {self.protocol}, this side reads {PROTOCOL_VERSION}")


class ResultStore:
    """The kept results of an artifact store.

    Args:
        store: The store's URI.
    """

    def __init__(self, store: str) -> None:
        self._folder = join(store, RESULTS)

    def find(self, key: str) -> KeptResult | None:
        """Return the result that is kept under a key, ``None`` for none.

        Raises:
            UnusableResultError: What lies there is damaged, or of another protocol version.
            StoreUnavailableError: The store did not answer.
        """
        return self._read(self._uri(key))

    def last(self, *, pipeline: str, stage: str) -> KeptResult | None:
        """Return the result that a stage delivered last, ``None`` when there is none that can be read.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        try:
            return self._read(self._last_uri(pipeline, stage))
        except UnusableResultError:
            return None

    def newest(self, fits: Callable[[KeptResult], bool]) -> KeptResult | None:
        """Return the newest of all kept results that fits, ``None`` for none; it reads every entry.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        found = (kept for _, kept in self.all() if isinstance(kept, KeptResult) and fits(kept))
        return max(found, key=lambda kept: kept.kept_at, default=None)

    def keep(self, kept: KeptResult) -> None:
        """Keep a result under its key, in the place of an older one, and as the stage's last.

        Two runs that do the same work at once both keep theirs; either may be found afterwards.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        write_object(self._uri(kept.key), _to_json(kept))
        self.deliver(kept, pipeline=kept.pipeline, stage=kept.stage, reason=kept.reason)

    def deliver(self, kept: KeptResult, *, pipeline: str, stage: str, reason: str) -> None:
        """Note a result as the one that a stage delivered last, whichever stage made it.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        write_object(self._last_uri(pipeline, stage), _to_json(replace(kept, reason=reason)))

    def all(self) -> Iterator[tuple[str, KeptResult | UnusableResultError]]:
        """Return every entry by its URI, the unusable ones as their error.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        fs, path = filesystem(self._folder)
        fs.invalidate_cache()
        try:
            with store_errors("read", self._folder):
                names = sorted(
                    name for entry in fs.ls(path, detail=False) if (name := entry.rpartition("/")[2]).endswith(".json")
                )
        except FileNotFoundError:
            return
        for name in names:
            uri = join(self._folder, name)
            try:
                kept = self._read(uri)
            except UnusableResultError as error:
                yield uri, error
                continue
            if kept is not None:
                yield uri, kept

    def forget(self, uri: str) -> None:
        """Remove an entry; that there is none is success.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        fs, path = filesystem(uri)
        try:
            with store_errors("read", uri):
                fs.rm_file(path)
        except FileNotFoundError:
            return

    def _read(self, uri: str) -> KeptResult | None:
        try:
            return from_json(KeptResult, read_object(uri), limit=_LIMIT_BYTES)
        except FileNotFoundError:
            return None
        except (InvalidArtifactError, ProtocolError) as error:
            raise UnusableResultError(f"{uri}: {error}") from error

    def _uri(self, key: str) -> str:
        return join(self._folder, f"{key.replace(':', '-')}.json")

    def _last_uri(self, pipeline: str, stage: str) -> str:
        return join(self._folder, _LAST, store_segment(pipeline), f"{store_segment(stage)}.json")


def _to_json(kept: KeptResult) -> bytes:
    return to_json(kept, limit=_LIMIT_BYTES).encode()
