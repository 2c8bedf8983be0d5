"""What a pipeline says of the kind; no Airflow here."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from airflow_ml_provider.spec.fields import StageReference
from airflow_ml_provider.spec.references import Reference
from airflow_ml_provider.spec.stages import StageSpec


class RowCountSpec(StageSpec):
    """Counts the rows of a dataset's CSV files."""

    kind: Literal["row_count"] = Field(description="What the stage does", examples=["row_count"])
    data: StageReference = Field(description="The dataset to count", examples=["ingest.data"])
    at_least: int = Field(default=1, ge=0, description="Fewer rows are bad data", examples=[1000])

    wanted_types: ClassVar[tuple[str, ...]] = ("dataset",)

    def references(self) -> dict[tuple[str, ...], Reference]:
        return {("data",): self.data}

    def output_types(self) -> dict[str, str]:
        return {"counts": "report"}

    def arguments(self) -> dict[str, Any]:
        return {"inputs": {"data": self.data}, "at_least": self.at_least}
