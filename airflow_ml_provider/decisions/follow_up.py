"""What happens after a check: go on, fail, warn, or take another branch."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

OnFailure = Literal["fail", "warn", "branch"]
ON_FAILURE: tuple[OnFailure, ...] = ("fail", "warn", "branch")


class FollowUp(NamedTuple):
    """What to do.

    Attributes:
        action: ``continue``, ``fail`` the task, or ``warn`` and go on.
        branch: Direct downstream tasks that run, the others are skipped; ``None`` where there is no branch.
    """

    action: Literal["continue", "fail", "warn"]
    branch: tuple[str, ...] | None = None


def follow_up(
    *,
    passed: bool,
    on_failure: OnFailure,
    if_failed: Collection[str] = (),
    downstream: Collection[str] = (),
) -> FollowUp:
    """Decide what follows a check.

    Args:
        passed: Whether the check passed.
        on_failure: What the author wants when it does not.
        if_failed: With ``branch``, the tasks that run only when the check failed.
        downstream: All direct downstream tasks.
    """
    if on_failure == "branch":
        chosen = (name for name in downstream if (name in if_failed) != passed)
        return FollowUp("continue" if passed else "warn", tuple(sorted(chosen)))
    if passed:
        return FollowUp("continue")
    return FollowUp("fail" if on_failure == "fail" else "warn")
