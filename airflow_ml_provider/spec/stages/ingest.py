"""Kind ``ingest``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from airflow_ml_provider.decisions.stage_rules import require_ingest
from airflow_ml_provider.spec.fields import ArtifactType, Name
from airflow_ml_provider.spec.stages import CodeStageSpec


class IngestSpec(CodeStageSpec):
    """Brings data into the store: files of a URI pattern, or code that fetches it."""

    kind: Literal["ingest"] = Field(description="What the stage does", examples=["ingest"])
    uri: str | None = Field(
        default=None,
        min_length=1,
        description="fsspec URI or relative path, with * and **",
        examples=["s3://raw/flights/*.csv"],
    )
    outputs: dict[Name, ArtifactType] = Field(
        default={"data": "dataset"},
        description="With code: artifact types by argument name",
        examples=[{"model": "model"}],
    )

    needs_code: ClassVar[bool] = False
    makes_data: ClassVar[bool] = True

    @model_validator(mode="after")
    def _one_source(self) -> IngestSpec:
        require_ingest(uri=self.uri, runs_code=bool(self.run or self.command), outputs=self.outputs)
        return self

    def source_uri(self) -> str:
        """Return the URI that the stage copies files from, empty when code fetches them."""
        return self.uri or ""
