"""Data against a Great Expectations suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_ml_provider.decisions.stage_rules import require_validate
from airflow_ml_provider.errors import StageConfigurationError, settings_of
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.kinds.validate import ValidateStage
from airflow_ml_provider.operators.checked_stage import CheckedStageOperator
from airflow_ml_provider.operators.stage import StageOperator


class ValidateOperator(CheckedStageOperator):
    """Checks one dataset with a suite that Great Expectations wrote, and passes the dataset on unchanged.

    Outputs are the input under its own name and ``report``, the full result. The XCom ``validation`` holds the
    summary, also when the suite failed.

    Args:
        suite: Path of the suite's JSON, relative to the DAG's file.
    """

    stage_class: ClassVar[type[Stage]] = ValidateStage

    template_fields: Sequence[str] = tuple(sorted({*StageOperator.template_fields, "suite"}))

    def __init__(self, *, suite: str, **kwargs: Any) -> None:
        inputs = kwargs.get("inputs")
        names = list(inputs) if isinstance(inputs, Mapping) else []
        super().__init__(outputs={**dict.fromkeys(names, "dataset"), "report": "report"}, **kwargs)
        self.suite = suite
        if self.run or self.command:
            raise StageConfigurationError(f"stage {self.task_id!r}: validate runs a suite, neither run nor command")
        with settings_of(self.task_id):
            require_validate(names)
