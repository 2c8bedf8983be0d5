"""New data of a source, each version to one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.decisions.data.settling import settling_of
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.sources.origins import Files, Origin, described

if TYPE_CHECKING:
    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.decisions.data.settling import Settling
    from airflow_ml_provider.sources.watched_source import WatchedSource


@dataclass(frozen=True, kw_only=True)
class SourceStage(Stage):
    """Claims what is new in a source for this run and copies it into the store.

    Attributes:
        rivals: Other tasks of the pipeline that claim of the same source.
    """

    kind: ClassVar[str] = "source"
    body: ClassVar[str | None] = "ingest"
    never_reused: ClassVar[str] = "each run is given data of its own"
    default_outputs: ClassVar[Mapping[str, str]] = {"data": "dataset", "manifest": "file"}

    source: str
    origin: Origin
    settling: Settling
    max_objects: int
    exclusive: bool = True
    rivals: Sequence[str] = ()

    @classmethod
    def completed(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return an operator's arguments with the defaults of the kind, and inputs by name."""
        origin = arguments["origin"]
        given = {
            **arguments,
            "origin": Files(origin) if isinstance(origin, str) else origin,
            "settling": settling_of(arguments["settle"]),
        }
        return super().completed(given)

    def take(self, run: RunContext) -> None:
        """Claim what is new for this run, unless it has a claim.

        Raises:
            StageSkippedError: Nothing is new.
            LookAgainError: Another run has the partition of this one.
            ClaimReleasedError: What this run was given was given to another meanwhile.
        """
        from airflow_ml_provider.sources.claiming import claim

        if self.exclusive:
            claim(run, self._watched(run), max_objects=self.max_objects, rivals=self.rivals)

    def options(self, run: RunContext, *, store: ArtifactStore) -> dict[str, Any]:
        """Return the manifest of what this run was given.

        Raises:
            StageSkippedError: Nothing is there.
            ClaimReleasedError: What this run was given was given to another meanwhile.
        """
        from airflow_ml_provider.protocol.manifest import to_lines
        from airflow_ml_provider.sources.claiming import claimed_objects, objects_there
        from airflow_ml_provider.sources.content import content_of

        source = self._watched(run)
        objects = claimed_objects(run, source) if self.exclusive else objects_there(run, source, limit=self.max_objects)
        content, objects = content_of(run.events, source.origin, objects)
        uri = run.identity.store
        manifest = store.put_content(uri, to_lines(objects), suffix=".jsonl")
        files = {name: store.put_content(uri, written, suffix="").to_plain() for name, written in content.items()}
        return {"uri": described(source.origin), "manifest": manifest.to_plain(), "files": files}

    def _watched(self, run: RunContext) -> WatchedSource:
        """Return the source as sensors, triggers and claims look at it."""
        from airflow_ml_provider.sources.watched_source import WatchedSource

        origin = self.origin
        if isinstance(origin, Files):
            origin = replace(origin, uri=self.path_beside(origin.uri))
        return WatchedSource(run.identity.store, run.identity.pipeline, self.source, origin, self.settling)
