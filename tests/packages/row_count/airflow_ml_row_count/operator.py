"""The operator: takes the arguments, and names what the stage is."""

from typing import Any, ClassVar

from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators import StageOperator
from airflow_ml_row_count.stage import RowCountStage


class RowCountOperator(StageOperator):
    """Counts the rows of a dataset; fewer than ``at_least`` are bad data."""

    stage_class: ClassVar[type[Stage]] = RowCountStage

    def __init__(self, *, at_least: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.at_least = at_least
