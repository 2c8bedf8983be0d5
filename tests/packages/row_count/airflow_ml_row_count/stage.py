"""The stage: its settings, and what of them the body gets; no Airflow here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_ml_provider.kinds.stage import Stage


@dataclass(frozen=True, kw_only=True)
class RowCountStage(Stage):
    """Counts the rows of a dataset."""

    kind: ClassVar[str] = "row_count"
    body: ClassVar[str | None] = "airflow_ml_row_count.body:run"
    default_outputs: ClassVar[Mapping[str, str]] = {"counts": "report"}

    at_least: int = 1

    def options(self, run: Any, *, store: Any) -> dict[str, Any]:
        return {"at_least": self.at_least}
