"""The operator: hands its settings to the body."""

from typing import Any, ClassVar

from airflow_ml_provider.operators import StageOperator


class RowCountOperator(StageOperator):
    """Counts the rows of a dataset; fewer than ``at_least`` are bad data."""

    kind: ClassVar[str] = "row_count"
    body: ClassVar[str | None] = "row_count"
    default_outputs: ClassVar[dict[str, str]] = {"counts": "report"}

    def __init__(self, *, at_least: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.at_least = at_least

    def options(self, context: Any, *, identity: Any, store: Any) -> dict[str, Any]:
        return {"at_least": self.at_least}
