"""A model against its gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_ml_provider.decisions.models.gate_rules import Gate, GateError
from airflow_ml_provider.decisions.stage_rules import require_evaluation
from airflow_ml_provider.errors import StageConfigurationError, settings_of
from airflow_ml_provider.kinds.evaluate import EvaluateStage, uses_body
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators.checked_stage import CheckedStageOperator

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

    stage_class: ClassVar[type[Stage]] = EvaluateStage

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
        if uses_body(task=task, gate=self.gate):
            self.outputs.setdefault("card", "report")
        self._require_sound_gate()

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
