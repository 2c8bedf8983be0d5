"""Files from outside into the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow_ml_provider.decisions.stage_rules import require_ingest
from airflow_ml_provider.errors import settings_of
from airflow_ml_provider.kinds.ingest import IngestStage
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators.stage import StageOperator


class IngestOperator(StageOperator):
    """Copies the files of a URI pattern into the store as the dataset ``data``, or runs code that fetches it.

    Args:
        uri: Any fsspec URI or a path relative to the DAG's file, with ``*`` and ``**``; templated.
        outputs: Default ``{"data": "dataset"}``.
    """

    stage_class: ClassVar[type[Stage]] = IngestStage

    template_fields: Sequence[str] = tuple(sorted({*StageOperator.template_fields, "uri"}))

    def __init__(self, *, uri: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.uri = uri
        with settings_of(self.task_id):
            require_ingest(uri=uri, runs_code=bool(self.run or self.command), outputs=self.outputs)
