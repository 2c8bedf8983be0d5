"""Stages that check something and fail, warn or branch on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.branch import BranchMixIn

from airflow_ml_provider.decisions.follow_up import ON_FAILURE, OnFailure
from airflow_ml_provider.decisions.stage_rules import require_branch
from airflow_ml_provider.errors import StageConfigurationError, settings_of
from airflow_ml_provider.operators.stage import StageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class CheckedStageOperator(StageOperator, BranchMixIn):
    """Base of the kinds that check a suite or a gate.

    Args:
        on_failure: ``fail`` the task (default), ``warn`` and go on, or ``branch``.
        if_failed: With ``branch``, the direct downstream tasks that run only when the check failed; all other
            direct downstream tasks run only when it passed.
    """

    def __init__(self, *, on_failure: OnFailure = "fail", if_failed: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.on_failure = on_failure
        self.if_failed = tuple(if_failed)
        if on_failure not in ON_FAILURE:
            raise StageConfigurationError(
                f"stage {self.task_id!r}: on_failure is {on_failure!r}; allowed are {', '.join(ON_FAILURE)}"
            )
        with settings_of(self.task_id):
            require_branch(on_failure, self.if_failed)

    def take_branch(self, context: Context, branch: Sequence[str]) -> None:
        """Skip all direct downstream tasks but those of the branch."""
        self.do_branch(context, list(branch))
