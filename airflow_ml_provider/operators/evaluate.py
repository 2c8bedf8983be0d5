"""A model against its gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.decisions.models.gate_rules import CHAMPION, Gate, GateError, judge_all
from airflow_ml_provider.decisions.stage_rules import require_evaluation
from airflow_ml_provider.errors import GateFailedError, StageConfigurationError, settings_of
from airflow_ml_provider.operators.checked_stage import CheckedStageOperator
from airflow_ml_provider.protocol.metrics import all_metrics

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.identity import StageIdentity
    from airflow_ml_provider.protocol.result import StageResult

TASKS = ("regression", "classification", "clustering", "ranking")


class EvaluateOperator(CheckedStageOperator):
    """Measures a model and compares its metrics with thresholds, and with the champion's on the same data.

    Metrics are what the code returns and, with ``task``, what its predictions give: those that the code writes to an
    output ``predictions``, or, without code, those of the model (MLflow's format) for the other input. With ``task`` or
    ``gate["champion"]`` the output ``card`` holds a model card. The XCom ``gate`` holds the verdict:
    ``{"passed": true, "reasons": [...]}``.

    Args:
        gate: Thresholds by metric (``{"rmse": "< 20"}``, or against another metric, ``"< baseline_rmse"``); under
            ``champion`` how much worse than the champion a metric may be (``{"rmse": "at most 1% worse"}``), under
            ``worst_slice`` thresholds of the slice in which it is worst.
        champion_of: The registered model whose alias ``champion`` is compared.
        task: ``regression``, ``classification``, ``clustering`` or ``ranking``.
        target: Column of what was to be predicted.
        prediction: Column of what was predicted.
        by: Columns whose values cut the data into slices.
        min_slice_rows: Slices of fewer rows are left out.
        space: Of ``clustering``, where the silhouette is measured: columns of the predictions, or the name of an output
            that the code writes, a row of numbers each. By default that is, without code, what the last step of a
            pipeline of scikit-learn is given, else the columns of the model's signature.
        confidence: With which confidence a difference to the champion is within its tolerance, by bootstrap.
    """

    kind: ClassVar[str] = "evaluate"
    body: ClassVar[str | None] = "evaluate"
    template_fields: Sequence[str] = tuple(sorted({*CheckedStageOperator.template_fields, "champion_of"}))

    def __init__(
        self,
        *,
        gate: Mapping[str, Any] | None = None,
        champion_of: str | None = None,
        task: str | None = None,
        target: str = "target",
        prediction: str = "prediction",
        by: Sequence[str] = (),
        min_slice_rows: int = 30,
        confidence: float | None = None,
        space: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.gate = dict(gate or {})
        self.champion_of = champion_of
        self.task = task
        self.target = target
        self.prediction = prediction
        self.by = tuple(by)
        self.min_slice_rows = min_slice_rows
        self.confidence = confidence
        self.space = space if space is None or isinstance(space, str) else list(space)
        self.body_calls_code = self.uses_body
        # The champion is in MLflow.
        self.needs_tracking = CHAMPION in self.gate
        if self.uses_body:
            self.outputs.setdefault("card", "report")
        self._require_sound_gate()

    @property
    def uses_body(self) -> bool:
        """Whether more is done than to run the code and to compare what it returned."""
        return self.task is not None or CHAMPION in self.gate

    @property
    def is_staged(self) -> bool:
        """Whether a pod of this stage has containers of its own for inputs and outputs."""
        return super().is_staged and not self.uses_body

    def options(self, context: Context, *, identity: StageIdentity, store: ArtifactStore) -> dict[str, Any]:
        """Return what is measured; the champion's version is the one that has the alias now."""
        if not self.uses_body:
            return {}
        return {
            "champion": self._champion() if CHAMPION in self.gate else None,
            "compared": sorted(self.gate.get(CHAMPION, {})),
            "task": self.task,
            "target": self.target,
            "prediction": self.prediction,
            "by": list(self.by),
            "min_slice_rows": self.min_slice_rows,
            "confidence": self.confidence,
            **({"space": self.space} if self.space else {}),
        }

    def accept(self, context: Context, result: StageResult) -> Sequence[str] | None:
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
            self.log.info("Gate: %s", reason)
        if self.do_xcom_push:
            context["ti"].xcom_push(key="gate", value={"passed": verdict.passed, "reasons": list(verdict.reasons)})
        failure = GateFailedError(f"the model does not pass its gate: {'; '.join(verdict.reasons)}")
        return self.settle(passed=verdict.passed, failure=failure)

    def _champion(self) -> dict[str, str] | None:
        from airflow_ml_provider.hooks.mlflow_registry import ModelRegistry

        assert self.champion_of is not None
        found = ModelRegistry(str(self.mlflow_conn_id)).version_of_alias(self.champion_of, "champion")
        return None if found is None else {"name": self.champion_of, "version": str(found["version"])}

    def _require_sound_gate(self) -> None:
        where = f"stage {self.task_id!r}"
        if self.task not in (None, *TASKS):
            raise StageConfigurationError(f"{where}: task is {self.task!r}; allowed are {', '.join(TASKS)}")
        try:
            gate = Gate.read(self.gate)
        except GateError as error:
            raise StageConfigurationError(f"{where}: gate.{'.'.join(error.where)}: {error}") from error
        if gate.champion and not (self.champion_of and self.mlflow_conn_id):
            raise StageConfigurationError(f"{where}: gate.champion needs champion_of='MODEL' and MLflow")
        with settings_of(self.task_id):
            require_evaluation(
                runs_code=bool(self.run or self.command),
                task=self.task,
                gate=self.gate,
                by=self.by,
                confidence=self.confidence,
                space=self.space,
                on_failure=self.on_failure,
                io=self.io,
            )
