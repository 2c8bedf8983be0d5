"""New data of a source, each version to one run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.exceptions import StageConfigurationError
from airflow_ml_provider.operators.stage import StageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.operators.identity import StageIdentity

DEFAULT_SETTLE = timedelta(minutes=1)
DEFAULT_MAX_OBJECTS = 10_000


class SourceOperator(StageOperator):
    """Claims what is new in a source for this run and copies it into the store.

    The outputs are the dataset ``data`` and the file ``manifest``, JSON lines of what this run was given. When nothing
    is new the task is skipped, and all that follows it. A CommitOperator ends the claim; until it does, and unless the
    claim is released, no other run gets what this one was given.

    Args:
        source: The source's name, under which its claims are kept.
        uri: An fsspec URI, or a path relative to the DAG's file, with ``*`` and ``**``.
        settle: How long an object must not have been written before it is taken.
        max_objects: The most objects of one run.
        exclusive: Whether objects are claimed; without, a run gets all there are, as a run on a laptop does.
    """

    kind: ClassVar[str] = "source"
    body: ClassVar[str | None] = "ingest"
    never_reused: ClassVar[str] = "each run is given data of its own"
    default_outputs: ClassVar[Mapping[str, str]] = {"data": "dataset", "manifest": "file"}

    def __init__(
        self,
        *,
        source: str,
        uri: str,
        settle: timedelta = DEFAULT_SETTLE,
        max_objects: int = DEFAULT_MAX_OBJECTS,
        exclusive: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.uri = uri
        self.settle = settle
        self.max_objects = max_objects
        self.exclusive = exclusive
        if self.run or self.command or set(self.outputs) != {"data", "manifest"}:
            raise StageConfigurationError(
                f"source {source!r}: its outputs are data and manifest, and it runs no code of its own"
            )

    def options(self, context: Context, *, identity: StageIdentity, store: ArtifactStore) -> dict[str, Any]:
        """Claim for this run, or find its claim again; returns the manifest.

        Raises:
            AirflowSkipException: Nothing is new.
            ClaimReleasedError: What this run was given was given to another meanwhile.
        """
        from airflow_ml_provider.operators.claiming import manifest_of
        from airflow_ml_provider.protocol.manifest import to_lines

        uri = self.path_beside(context, self.uri)
        objects = manifest_of(self, context, identity=identity, uri=uri)
        ref = store.put_content(identity.store, to_lines(objects), suffix=".jsonl")
        return {"uri": uri, "manifest": ref.to_plain()}
