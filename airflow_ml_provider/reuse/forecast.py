"""What a run would do with a stage: take an earlier result, or run, and why; nothing is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airflow_ml_provider.artifacts.layout import content_uri
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.reuse.stage_reuse import StageReuse


@dataclass(frozen=True)
class StageForecast:
    """What would become of a stage.

    Attributes:
        verdict: ``reused``, ``runs``, or ``unknown`` until another stage has run.
        reason: From which run, why, or on what it depends.
    """

    verdict: Literal["reused", "runs", "unknown"]
    reason: str


class UnknownUntilRunError(Exception):
    """Something is known only while the pipeline runs; the message says what."""


class ReadingStore(ArtifactStore):
    """A store that makes the references of content, and writes nothing."""

    def put_content(self, store: str, content: bytes, *, suffix: str) -> ArtifactRef:
        """Return the reference that the content would have."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return ArtifactRef(uri=content_uri(store, digest, suffix), digest=digest, type="file", size=len(content))


class Forecast:
    """Forecasts of one pipeline's stages, asked for in the order of a run.

    Attributes:
        results: What stages that are reused put out, by stage.
    """

    def __init__(self) -> None:
        self.results: dict[str, StageResult] = {}

    def of(self, name: str, reuse: StageReuse, request: Callable[[], StageRequest]) -> StageForecast:
        """Return what would become of a stage.

        Args:
            name: The stage.
            reuse: Its earlier results.
            request: Makes its request.

        Raises:
            StoreAwayError: The artifact store did not answer.
            UnknownUntilRunError: The request depends on something that is known only in a run.
            StageConfigurationError: The stage would fail.
        """
        provenance = reuse.provenance(request())
        if isinstance(provenance, str):
            return StageForecast("runs", provenance)
        considered = reuse.forecast(provenance)
        if considered.kept is None:
            return StageForecast("runs", considered.reuse.reason)
        self.results[name] = considered.kept.result
        return StageForecast("reused", considered.reuse.reason)

    def output(self, stage: str, key: str) -> Any:
        """Return what a reused stage put out.

        Raises:
            UnknownUntilRunError: The stage runs, or puts it out only then.
        """
        if stage not in self.results:
            raise UnknownUntilRunError(f"it depends on {stage!r}, which runs")
        result = self.results[stage]
        outputs = {name: ref.to_plain() for name, ref in result.outputs.items()}
        put_out: Mapping[str, Any] = {**outputs, **result.values, "metrics": dict(result.metrics)}
        if key not in put_out:
            raise UnknownUntilRunError(f"it depends on {key!r} of {stage!r}, which is known only in a run")
        return put_out[key]
