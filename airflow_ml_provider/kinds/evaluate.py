"""A model against its gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.decisions.models.gate_rules import CHAMPION, Gate, judge_all
from airflow_ml_provider.errors import GateFailedError
from airflow_ml_provider.kinds.checked_stage import CheckedStage
from airflow_ml_provider.protocol.metrics import all_metrics

if TYPE_CHECKING:
    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.protocol.result import StageResult


@dataclass(frozen=True, kw_only=True)
class EvaluateStage(CheckedStage):
    """Measures a model and compares its metrics with thresholds, and with the champion's on the same data."""

    kind: ClassVar[str] = "evaluate"
    body: ClassVar[str | None] = "evaluate"
    template_fields: ClassVar[Sequence[str]] = (
        *CheckedStage.template_fields,
        "champion_of",
    )

    gate: Mapping[str, Any] = field(default_factory=dict)
    champion_of: str | None = None
    task: str | None = None
    target: str = "target"
    prediction: str = "prediction"
    by: Sequence[str] = ()
    min_slice_rows: int = 30
    confidence: float | None = None
    space: str | Sequence[str] | None = None

    @classmethod
    def completed(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return an operator's arguments with the defaults of the kind, and inputs by name."""
        given = super().completed(arguments)
        if uses_body(task=given.get("task"), gate=given.get("gate") or {}):
            given["outputs"].setdefault("card", "report")
        return given

    @property
    def uses_body(self) -> bool:
        """Whether more is done than to run the code and to compare what it returned."""
        return uses_body(task=self.task, gate=self.gate)

    @property
    def body_calls_code(self) -> bool:
        """Whether the body runs also where there is code, and calls it."""
        return self.uses_body

    @property
    def needs_tracking(self) -> bool:
        """Whether the stage cannot work without MLflow, where the champion is."""
        return CHAMPION in self.gate

    @property
    def is_staged(self) -> bool:
        """Whether a pod of this stage has containers of its own for inputs and outputs."""
        return super().is_staged and not self.uses_body

    def options(self, run: RunContext, *, store: ArtifactStore) -> dict[str, Any]:
        """Return what is measured; the champion's version is the one that has the alias now."""
        if not self.uses_body:
            return {}
        return {
            "champion": self._champion(run) if CHAMPION in self.gate else None,
            "compared": sorted(self.gate.get(CHAMPION, {})),
            "task": self.task,
            "target": self.target,
            "prediction": self.prediction,
            "by": list(self.by),
            "min_slice_rows": self.min_slice_rows,
            "confidence": self.confidence,
            **({"space": self.space} if self.space else {}),
        }

    def accept(self, run: RunContext, result: StageResult) -> Sequence[str] | None:
        """Judge the metrics; fail, warn or branch when the gate is not passed."""
        if not self.gate:
            return None
        found = result.values.get("evaluation", {})
        verdict = judge_all(
            Gate.read(self.gate),
            all_metrics(result.metrics, result.values),
            champion=found.get("champion"),
            champion_name=str(self.champion_of),
            intervals={name: (low, high) for name, (low, high) in found.get("intervals", {}).items()},
            slices=found.get("slices", {}),
        )
        for reason in verdict.reasons:
            run.log.info("Gate: %s", reason)
        if self.do_xcom_push:
            run.outputs.push("gate", {"passed": verdict.passed, "reasons": list(verdict.reasons)})
        failure = GateFailedError(f"the model does not pass its gate: {'; '.join(verdict.reasons)}")
        return self.settle(run, passed=verdict.passed, failure=failure)

    def _champion(self, run: RunContext) -> dict[str, str] | None:
        from airflow_ml_provider.mlflow_api.client import MlflowClient
        from airflow_ml_provider.mlflow_api.registry import ModelRegistry

        assert self.champion_of is not None
        client = MlflowClient(run.connections.mlflow(str(self.mlflow_conn_id)))
        found = ModelRegistry(client).version_of_alias(self.champion_of, "champion")
        return None if found is None else {"name": self.champion_of, "version": str(found["version"])}


def uses_body(*, task: str | None, gate: Mapping[str, Any]) -> bool:
    """Return whether an evaluation does more than to run the code and to compare what it returned."""
    return task is not None or CHAMPION in gate
