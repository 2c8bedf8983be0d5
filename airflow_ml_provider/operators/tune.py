"""The params with which the code gives the best metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from airflow_ml_provider.decisions.stage_rules import require_tune
from airflow_ml_provider.errors import StageConfigurationError, settings_of
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.kinds.tune import TuneStage
from airflow_ml_provider.operators.stage import StageOperator


class TuneOperator(StageOperator):
    """Searches params in many trials: workers call the code with params that a study samples with Optuna.

    The XCom ``best_params`` holds the best trial's params, for ``hyperparameters`` of another stage; the output
    ``report`` a page with the study's plots. What a trial writes is thrown away with it.

    Args:
        search: Ranges by param: ``{"max_depth": {"int": [2, 12]}, "rate": {"float": [0.01, 0.3], "log": True}}``, or
            ``{"categorical": [...]}``; with ``when: {"booster": "dart"}`` only where other params have these values.
        objective: ``{"metric": "rmse", "direction": "minimize"}``, or a list of several; ``best_params`` are then those
            of the trial on the Pareto front that is best in the first.
        trials: How many trials there are.
        workers: How many of them run at once, each in a worker of its own; a pod's resources are a worker's.
        budget: After this time no further trial begins, and the best so far is taken.
        max_failed_trials: With more failed trials than this the stage fails.
        sampler: A sampler of Optuna by its class's name, or ``{name: {option: value}}``.
        pruner: A pruner of Optuna, for code that reports intermediate values.
        seed: Seed of the sampler; with several workers the order in which trials end still varies.
        trial_outputs: What the code writes, by argument (``outputs`` in the YAML).
        study_cpu: CPU of the pod that holds the study.
        study_memory: Memory of the pod that holds the study.
    """

    stage_class: ClassVar[type[Stage]] = TuneStage

    def __init__(
        self,
        *,
        search: Mapping[str, Mapping[str, Any]],
        objective: Mapping[str, str] | Sequence[Mapping[str, str]],
        trials: int = 20,
        workers: int = 1,
        budget: timedelta | None = None,
        max_failed_trials: int = 3,
        sampler: str | Mapping[str, Mapping[str, Any]] = "TPESampler",
        pruner: str | Mapping[str, Mapping[str, Any]] = "NopPruner",
        seed: int | None = None,
        trial_outputs: Mapping[str, str] | None = None,
        study_cpu: str = "250m",
        study_memory: str = "1Gi",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if self.outputs != self.stage_class.default_outputs:
            raise StageConfigurationError(
                f"stage {self.task_id!r}: a tune stage puts out its report alone; what the code writes in a trial is "
                f"trial_outputs={self.outputs!r}"
            )
        self.search = {name: dict(found) for name, found in search.items()}
        self.objective = objective
        self.trials = trials
        self.workers = workers
        self.budget = budget
        self.max_failed_trials = max_failed_trials
        self.sampler = sampler
        self.pruner = pruner
        self.seed = seed
        self.trial_outputs = dict(self.stage_class.default_trial_outputs if trial_outputs is None else trial_outputs)
        self.study_cpu = study_cpu
        self.study_memory = study_memory
        if not (self.run or self.command):
            raise StageConfigurationError(f"stage {self.task_id!r}: tune needs run='module:function' or command=[...]")
        if min(trials, workers) < 1 or max_failed_trials < 0:
            raise StageConfigurationError(
                f"stage {self.task_id!r}: trials={trials}, workers={workers}, max_failed_trials={max_failed_trials}: "
                f"at least one trial and one worker are wanted, and no number below 0"
            )
        fixed = self.hyperparameters if isinstance(self.hyperparameters, Mapping) else {}
        with settings_of(self.task_id):
            require_tune(
                search=self.search,
                objective=self.objective,
                pruner=self.pruner,
                sampler=self.sampler,
                taken={*self.inputs, *self.trial_outputs, *fixed},
                io=self.io,
                checkpoints=self.checkpoints,
            )
