"""A model against its gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.decisions.gate import Threshold, judge
from airflow_ml_provider.exceptions import GateFailedError, StageConfigurationError
from airflow_ml_provider.operators.checked_stage import CheckedStageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.protocol.result import StageResult


class EvaluateOperator(CheckedStageOperator):
    """Runs the code that measures a model and compares its metrics with thresholds.

    The XCom ``gate`` holds the verdict: ``{"passed": true, "reasons": [...]}``.

    Args:
        gate: Thresholds by metric: ``{"rmse": "< 20"}``, or against another metric, ``"< baseline_rmse"``.
    """

    kind: ClassVar[str] = "evaluate"

    def __init__(self, *, gate: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = dict(gate or {})
        if self.on_failure != "fail" and not self.gate:
            raise StageConfigurationError(f"stage {self.task_id!r}: on_failure={self.on_failure!r} needs a gate")
        for metric, threshold in self.gate.items():
            try:
                Threshold.parse(threshold)
            except ValueError as error:
                raise StageConfigurationError(f"stage {self.task_id!r}: gate.{metric}: {error}") from error

    def accept(self, context: Context, result: StageResult) -> Sequence[str] | None:
        """Judge the metrics; fail, warn or branch when the gate is not passed."""
        if not self.gate:
            return None
        verdict = judge(self.gate, result.metrics)
        for reason in verdict.reasons:
            self.log.info("Gate: %s", reason)
        if self.do_xcom_push:
            context["ti"].xcom_push(key="gate", value={"passed": verdict.passed, "reasons": list(verdict.reasons)})
        failure = GateFailedError(f"the model does not pass its gate: {'; '.join(verdict.reasons)}")
        return self.settle(passed=verdict.passed, failure=failure)
