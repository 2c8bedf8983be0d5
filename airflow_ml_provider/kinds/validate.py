"""Data against a Great Expectations suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.errors import StageConfigurationError, ValidationFailedError
from airflow_ml_provider.kinds.checked_stage import CheckedStage

if TYPE_CHECKING:
    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.protocol.result import StageResult

_SUITE_SUFFIX = ".json"


@dataclass(frozen=True, kw_only=True)
class ValidateStage(CheckedStage):
    """Checks one dataset with a suite that Great Expectations wrote."""

    kind: ClassVar[str] = "validate"
    body: ClassVar[str | None] = "validate"
    template_fields: ClassVar[Sequence[str]] = (
        *CheckedStage.template_fields,
        "suite",
    )

    suite: str

    @classmethod
    def completed(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return an operator's arguments with the defaults of the kind, and inputs by name."""
        names = arguments.get("inputs") or {}
        outputs = {**dict.fromkeys(names, "dataset"), "report": "report"}
        return super().completed({**arguments, "outputs": outputs})

    def options(self, run: RunContext, *, store: ArtifactStore) -> dict[str, Any]:
        """Put the suite into the store and return its reference."""
        ref = self.known_files.get(self.suite) or store.put_content(
            run.identity.store, self.shipped(self.suite), suffix=_SUITE_SUFFIX
        )
        return {"suite": ref.to_plain(), "suite_name": self.suite}

    def shipped_files(self) -> Mapping[str, str]:
        """Return which files of its author go with the stage: the suite too."""
        return {**super().shipped_files(), self.suite: _SUITE_SUFFIX}

    def shipped(self, path: str) -> bytes:
        """Return the content of a file that goes with the stage."""
        from airflow_ml_provider.spec.checks.suite import SuiteError, check_suite

        if path != self.suite:
            return super().shipped(path)
        try:
            return check_suite(Path(self.path_beside(path)))
        except SuiteError as error:
            raise StageConfigurationError(f"stage {self.task_id!r}: {error}") from error

    def accept(self, run: RunContext, result: StageResult) -> Sequence[str] | None:
        """Fail, warn or branch when the suite is not met."""
        summary = result.values["validation"]
        shown = "; ".join(
            f"{entry['expectation']}{' on ' + entry['column'] if entry['column'] else ''}"
            for entry in summary["failed"]
        )
        failure = ValidationFailedError(
            f"data does not meet suite {self.suite!r}: {summary['evaluated'] - summary['met']} of "
            f"{summary['evaluated']} expectations not met: {shown}; fix the data or the suite"
        )
        return self.settle(run, passed=summary["success"], failure=failure)
