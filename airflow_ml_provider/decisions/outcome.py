"""What became of a stage's process: its exit code and its result, read together."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Literal

from airflow_ml_provider.decisions.failure_line import failure_line
from airflow_ml_provider.protocol.result import StageResult

Verdict = Literal[
    "success",
    "user_code",
    "bad_data",
    "contract",
    "store",
    "tracking",
    "killed",
    "no_result",
    "out_of_memory",
    "disrupted",
    "deadline",
    "image",
    "configuration",
    "init_container",
    "capacity",
    "startup",
]


@dataclass(frozen=True)
class StageOutcome:
    """The verdict on one attempt.

    Attributes:
        verdict: ``success``, or why not.
        message: The first line of the failure: reason, exit code, what to do. Empty on success.
    """

    verdict: Verdict
    message: str = ""

    @property
    def retry_helps(self) -> bool:
        """Whether the same work may succeed when it is tried again."""
        return self.verdict not in ("success", "contract", "configuration")


def read_outcome(exit_code: int, result: StageResult | None) -> StageOutcome:
    """Judge one attempt: green needs exit code 0 and a readable result that says so.

    Args:
        exit_code: The process's exit code, negative when a signal ended it (as :mod:`subprocess` reports it).
        result: The result in the attempt's directory, ``None`` when there is none.
    """
    if result is not None and result.failure is not None:
        category = result.failure.category
        return StageOutcome(category, failure_line(result.failure.message, category, exit_code=exit_code))
    if result is not None and exit_code == 0:
        return StageOutcome("success")
    if exit_code < 0:
        name = signal.Signals(-exit_code).name if -exit_code in set(signal.Signals) else f"signal {-exit_code}"
        reason = f"the stage's process was killed by {name}"
        return StageOutcome("killed", failure_line(reason, "killed", exit_code=exit_code))
    reason = "the stage's process left no result" if result is None else "the stage's process failed at its end"
    return StageOutcome("no_result", failure_line(reason, "no_result", exit_code=exit_code))
