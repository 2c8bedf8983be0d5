"""Files from outside into the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kinds.stage import Stage

if TYPE_CHECKING:
    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.protocol.request import StageRequest


@dataclass(frozen=True, kw_only=True)
class IngestStage(Stage):
    """Copies the files of a URI pattern into the store, or runs code that fetches them."""

    kind: ClassVar[str] = "ingest"
    body: ClassVar[str | None] = "ingest"
    template_fields: ClassVar[Sequence[str]] = (
        *Stage.template_fields,
        "uri",
    )
    default_outputs: ClassVar[Mapping[str, str]] = {"data": "dataset"}
    looks_outside: ClassVar[bool] = True

    uri: str | None = None
    bounded_uris: frozenset[str] = frozenset()
    """The URI fields of which whoever triggered the run chose a part."""

    def options(self, run: RunContext, *, store: ArtifactStore) -> dict[str, Any]:
        """Return the absolute URI."""
        if self.runs_code:
            return {}
        if not self.uri:
            raise StageConfigurationError(f"stage {self.task_id!r}: uri is empty once its templates are rendered")
        # A server below the bounds does not decide what else is read.
        stays = {"redirects": False} if "uri" in self.bounded_uris and "://" in self.uri else {}
        return {"uri": self.path_beside(self.uri), **stays}

    def result_depends_on(self, run: RunContext, request: StageRequest) -> Mapping[str, Any] | str:
        """Return what distinguishes the versions of the files, without reading them.

        An object's ETag where the store has one, else size and time of change, and of a local file its inode.
        """
        if self.runs_code:
            return "what code fetches from outside may have changed"
        # Not imported with the module, which each parse of a DAG loads.
        from airflow_ml_provider.artifacts.errors import StoreError
        from airflow_ml_provider.artifacts.source_files import fingerprint

        uri = request.options["uri"]
        if "://" not in uri and run.settings.runner == "kubernetes":
            return "its files are in the pod, where they are not seen before it runs"
        try:
            files = fingerprint(uri, redirects=request.options.get("redirects", True))
        except StoreError as error:
            return f"whether its files changed is not seen from here: {error}"
        return {"uri": self.uri, "files": files} if files else "no file of it is seen from here"
