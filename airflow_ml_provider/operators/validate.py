"""Data against a Great Expectations suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.decisions.stage_rules import require_validate
from airflow_ml_provider.errors import StageConfigurationError, ValidationFailedError, settings_of
from airflow_ml_provider.operators.checked_stage import CheckedStageOperator
from airflow_ml_provider.operators.stage import StageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.identity import StageIdentity
    from airflow_ml_provider.protocol.result import StageResult


class ValidateOperator(CheckedStageOperator):
    """Checks one dataset with a suite that Great Expectations wrote, and passes the dataset on unchanged.

    Outputs are the input under its own name and ``report``, the full result. The XCom ``validation`` holds the
    summary, also when the suite failed.

    Args:
        suite: Path of the suite's JSON, relative to the DAG's file.
    """

    kind: ClassVar[str] = "validate"
    body: ClassVar[str | None] = "validate"
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

    def options(self, context: Context, *, identity: StageIdentity, store: ArtifactStore) -> dict[str, Any]:
        """Put the suite into the store and return its reference."""
        from airflow_ml_provider.spec.checks.suite import SuiteError, check_suite

        path = Path(self.path_beside(context, self.suite))
        try:
            content = check_suite(path)
        except SuiteError as error:
            raise StageConfigurationError(f"stage {self.task_id!r}: {error}") from error
        ref = store.put_content(identity.store, content, suffix=".json")
        return {"suite": ref.to_plain(), "suite_name": self.suite}

    def accept(self, context: Context, result: StageResult) -> Sequence[str] | None:
        """Fail, warn or branch when the suite is not met."""
        summary = result.values["validation"]
        shown = "; ".join(
            f"{entry['expectation']}{' on ' + entry['column'] if entry['column'] else ''}"
            for entry in summary["failed"]
        )
        failure = ValidationFailedError(
            f"data does not meet suite {self.suite!r}: {summary['evaluated'] - summary['met']} of "
            f"{summary['evaluated']} expectations not met: {shown}; mend the data or the suite"
        )
        return self.settle(passed=summary["success"], failure=failure)
