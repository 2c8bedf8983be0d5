"""A registered model over a dataset."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.artifacts.errors import AlreadyExistsError
from airflow_ml_provider.artifacts.layout import join, store_segment
from airflow_ml_provider.artifacts.objects import create_object, read_object
from airflow_ml_provider.errors import RowsRejectedError, StageConfigurationError
from airflow_ml_provider.kinds.register import MODEL_NAME_PATTERN
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.protocol.batch import BATCH_WORKER

if TYPE_CHECKING:
    from kubernetes.client import V1Job, V1Pod

    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.protocol.request import StageRequest
    from airflow_ml_provider.protocol.result import StageResult

_VERSIONS = "_versions"


@dataclass(frozen=True, kw_only=True)
class BatchPredictStage(Stage):
    """Predicts every row of a dataset with one version of a registered model."""

    kind: ClassVar[str] = "batch_predict"
    body: ClassVar[str | None] = "batch_predict"
    template_fields: ClassVar[Sequence[str]] = (*Stage.template_fields, "alias", "model", "version")
    default_outputs: ClassVar[Mapping[str, str]] = {"predictions": "dataset", "rejected": "dataset"}

    model: Any
    alias: str | None = None
    version: str | int | None = None
    workers: int = 1
    prediction: str = "prediction"
    keep: Sequence[str] | None = None
    output_format: str = "parquet"
    batch_rows: int = 10_000
    max_rejected: float = 0.0
    plan_cpu: str = "100m"
    plan_memory: str = "512Mi"

    @classmethod
    def completed(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return an operator's arguments with the defaults of the kind, and inputs by name."""
        return super().completed({**arguments, "inputs": {"data": arguments["data"]}})

    @property
    def needs_tracking(self) -> bool:
        """Whether the stage cannot work without MLflow: always."""
        return True

    def options(self, run: RunContext, *, store: ArtifactStore) -> dict[str, Any]:
        """Return what is predicted with which version."""
        return {
            "model": self._model(run),
            "workers": self.workers,
            "prediction": self.prediction,
            "keep": None if self.keep is None else list(self.keep),
            "format": self.output_format,
            "batch_rows": self.batch_rows,
        }

    def result_depends_on(self, run: RunContext, request: StageRequest) -> Mapping[str, Any] | str:
        """Return the options without what changes only how long it takes."""
        return {name: value for name, value in request.options.items() if name not in ("workers", "batch_rows")}

    def accept(self, run: RunContext, result: StageResult) -> Sequence[str] | None:
        """Fail when too many rows were rejected."""
        share, rejected = result.metrics["rejected_share"], int(result.metrics["rejected"])
        if share > self.max_rejected:
            reasons = "".join(f"\n  | {count} rows: {kind}" for kind, count in result.values["reasons"].items())
            raise RowsRejectedError(
                f"{rejected} of {int(result.metrics['rows'])} rows were rejected, {share:.2%}, and max_rejected is "
                f"{self.max_rejected:.2%}; they are in {result.outputs['rejected'].uri}{reasons}"
            )
        return None

    @property
    def has_companion(self) -> bool:
        """Whether workers run next to the stage's pod."""
        return self.workers > 1

    def companion(self, pod: V1Pod, *, container: str) -> V1Job:
        """Return the workers' Job, whose pods have the stage's resources; the pod that waits has its own."""
        from airflow_ml_provider.pod.worker_job import give_study_resources, worker_job

        job = worker_job(pod, container=container, workers=self.workers, step=BATCH_WORKER, indexed=True)
        give_study_resources(pod, container=container, cpu=self.plan_cpu, memory=self.plan_memory)
        return job

    def _model(self, run: RunContext) -> dict[str, str]:
        if isinstance(self.model, Mapping) and {"name", "version"} <= self.model.keys():
            return {"name": str(self.model["name"]), "version": str(self.model["version"])}
        if not isinstance(self.model, str) or not re.fullmatch(MODEL_NAME_PATTERN, self.model):
            raise StageConfigurationError(
                f"stage {self.task_id!r}: {self.model!r} is not a registered model: give its name, or "
                f"register.output['model']"
            )
        if self.version is not None:
            return {"name": self.model, "version": str(self.version)}
        return {"name": self.model, "version": self._version_of_run(run, self.alias or "champion")}

    def _version_of_run(self, run: RunContext, alias: str) -> str:
        """Return the version that an alias named when a stage of this run first asked."""
        from airflow_ml_provider.mlflow_api.client import MlflowClient
        from airflow_ml_provider.mlflow_api.registry import ModelRegistry

        uri = join(run.identity.run_uri, _VERSIONS, f"{store_segment(f'{self.model}@{alias}')}.json")
        try:
            return str(json.loads(read_object(uri))["version"])
        except FileNotFoundError:
            pass
        client = MlflowClient(run.connections.mlflow(str(self.mlflow_conn_id)))
        found = ModelRegistry(client).version_of_alias(self.model, alias)
        if found is None:
            raise StageConfigurationError(
                f"stage {self.task_id!r}: no version of {self.model!r} has the alias {alias!r} in MLflow; register and "
                f"promote one first, or name a version"
            )
        try:
            create_object(uri, json.dumps({"version": str(found["version"])}).encode())
        except AlreadyExistsError:
            return str(json.loads(read_object(uri))["version"])
        return str(found["version"])
