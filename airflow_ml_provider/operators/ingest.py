"""Files from outside into the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.decisions.stage_rules import require_ingest
from airflow_ml_provider.errors import StageConfigurationError, settings_of
from airflow_ml_provider.operators.stage import StageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.identity import StageIdentity
    from airflow_ml_provider.protocol.request import StageRequest


class IngestOperator(StageOperator):
    """Copies the files of a URI pattern into the store as the dataset ``data``, or runs code that fetches it.

    Args:
        uri: Any fsspec URI or a path relative to the DAG's file, with ``*`` and ``**``; templated.
        outputs: Default ``{"data": "dataset"}``.
    """

    kind: ClassVar[str] = "ingest"
    body: ClassVar[str | None] = "ingest"
    default_outputs: ClassVar[Mapping[str, str]] = {"data": "dataset"}
    looks_outside: ClassVar[bool] = True
    template_fields: Sequence[str] = tuple(sorted({*StageOperator.template_fields, "uri"}))

    def __init__(self, *, uri: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.uri = uri
        with settings_of(self.task_id):
            require_ingest(uri=uri, runs_code=bool(self.run or self.command), outputs=self.outputs)

    def options(self, context: Context, *, identity: StageIdentity, store: ArtifactStore) -> dict[str, Any]:
        """Return the absolute URI."""
        if self.run or self.command:
            return {}
        if not self.uri:
            raise StageConfigurationError(f"stage {self.task_id!r}: uri is empty once its templates are rendered")
        return {"uri": self.path_beside(context, self.uri)}

    def result_depends_on(self, context: Context, request: StageRequest) -> Mapping[str, Any] | str:
        """Return what tells the versions of the files apart, without reading them.

        An object's ETag where the store has one, else size and time of change, and of a local file its inode.
        """
        if self.run or self.command:
            return "what code fetches from outside may have changed"
        from airflow_ml_provider.artifacts.errors import StoreError
        from airflow_ml_provider.artifacts.listing import fingerprint
        from airflow_ml_provider.settings import MlSettings

        uri = request.options["uri"]
        if "://" not in uri and MlSettings.read(store=self.store, runner=self.runner).runner == "kubernetes":
            return "its files are in the pod, where they are not seen before it runs"
        try:
            files = fingerprint(uri)
        except StoreError as error:
            return f"its files cannot be listed from here: {error}"
        return {"uri": self.uri, "files": files} if files else "no file of it is seen from here"
