"""The params with which the code gives the best metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.decisions.search_space import algorithm, objectives, search_range, search_space
from airflow_ml_provider.kinds.stage import Stage

if TYPE_CHECKING:
    from kubernetes.client import V1Job, V1Pod

    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.protocol.request import StageRequest
    from airflow_ml_provider.protocol.result import StageResult


@dataclass(frozen=True, kw_only=True)
class TuneStage(Stage):
    """Searches params in many trials."""

    kind: ClassVar[str] = "tune"
    body: ClassVar[str | None] = "tune"
    run_per_attempt: ClassVar[bool] = False
    default_outputs: ClassVar[Mapping[str, str]] = {"report": "report"}
    default_trial_outputs: ClassVar[Mapping[str, str]] = {"model": "model"}

    search: Mapping[str, Mapping[str, Any]]
    objective: Mapping[str, str] | Sequence[Mapping[str, str]]
    trials: int = 20
    workers: int = 1
    budget: timedelta | None = None
    max_failed_trials: int = 3
    sampler: str | Mapping[str, Mapping[str, Any]] = "TPESampler"
    pruner: str | Mapping[str, Mapping[str, Any]] = "NopPruner"
    seed: int | None = None
    trial_outputs: Mapping[str, str] = field(default_factory=dict)
    study_cpu: str = "250m"
    study_memory: str = "1Gi"

    @classmethod
    def completed(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return an operator's arguments with the defaults of the kind, and inputs by name."""
        outputs = arguments.get("trial_outputs")
        given = {**arguments, "trial_outputs": dict(cls.default_trial_outputs if outputs is None else outputs)}
        return super().completed(given)

    @property
    def body_calls_code(self) -> bool:
        """Whether the body runs also where there is code, and calls it: always."""
        return True

    def options(self, run: RunContext, *, store: ArtifactStore) -> dict[str, Any]:
        """Return the study."""
        ranges = {name: search_range(found) for name, found in self.search.items()}
        return {
            "search": search_space(ranges),
            "objectives": objectives(self.objective),
            "sampler": algorithm(self.sampler, of="sampler"),
            "pruner": algorithm(self.pruner, of="pruner"),
            "trials": self.trials,
            "workers": self.workers,
            "budget": None if self.budget is None else self.budget.total_seconds(),
            "max_failed_trials": self.max_failed_trials,
            "seed": self.seed,
            "outputs": self.trial_outputs,
        }

    def result_depends_on(self, run: RunContext, request: StageRequest) -> Mapping[str, Any] | str:
        """Return the study without what changes only how long it takes."""
        return {name: value for name, value in request.options.items() if name != "workers"}

    def tracked_params(self, result: StageResult) -> dict[str, Any]:
        """Return the best trial's params next to the fixed ones."""
        return {**super().tracked_params(result), **result.values["best_params"]}

    @property
    def is_staged(self) -> bool:
        """Whether a pod of this stage has containers of its own for inputs and outputs: never."""
        return False

    @property
    def has_companion(self) -> bool:
        """Whether a Job runs next to the stage's pod: always, of workers."""
        return True

    def companion(self, pod: V1Pod, *, container: str) -> V1Job:
        """Return the workers' Job, whose pods have the stage's resources; the study's pod has its own."""
        from airflow_ml_provider.pod.worker_job import give_study_resources, worker_job
        from airflow_ml_provider.protocol.tune import WORKER

        job = worker_job(pod, container=container, workers=self.workers, step=WORKER)
        give_study_resources(pod, container=container, cpu=self.study_cpu, memory=self.study_memory)
        return job
