"""Stages that check something and fail, warn or branch on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_ml_provider.decisions.follow_up import OnFailure, follow_up
from airflow_ml_provider.errors import FinalError
from airflow_ml_provider.kinds.stage import Stage

if TYPE_CHECKING:
    from airflow_ml_provider.attempts.run_context import RunContext


@dataclass(frozen=True, kw_only=True)
class CheckedStage(Stage):
    """Base of the kinds that check a suite or a gate."""

    on_failure: OnFailure = "fail"
    if_failed: Sequence[str] = ()

    def settle(self, run: RunContext, *, passed: bool, failure: FinalError) -> Sequence[str] | None:
        """Raise the failure, warn of it, or return the branch to take."""
        step = follow_up(
            passed=passed, on_failure=self.on_failure, if_failed=self.if_failed, downstream=run.flow.downstream
        )
        if step.action == "fail":
            raise failure
        if step.action == "warn":
            run.log.warning("%s", failure)
        return None if step.branch is None else [*step.branch, *run.flow.teardowns]
