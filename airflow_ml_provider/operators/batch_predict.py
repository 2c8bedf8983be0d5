"""A registered model over a dataset."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.artifacts.errors import AlreadyExistsError
from airflow_ml_provider.artifacts.layout import join, store_segment
from airflow_ml_provider.artifacts.objects import create_object, read_object
from airflow_ml_provider.decisions.stage_rules import require_one_version
from airflow_ml_provider.errors import RowsRejectedError, StageConfigurationError, settings_of
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.protocol.batch import BATCH_WORKER

if TYPE_CHECKING:
    from airflow.sdk import Context
    from kubernetes.client import V1Job, V1Pod

    from airflow_ml_provider.artifacts.store import ArtifactStore
    from airflow_ml_provider.attempts.identity import StageIdentity
    from airflow_ml_provider.protocol.request import StageRequest
    from airflow_ml_provider.protocol.result import StageResult

FORMATS = ("parquet", "csv", "jsonl")
_VERSIONS = "_versions"
_MODEL_NAME = re.compile(r"[A-Za-z0-9_.\- ]{1,200}")


class BatchPredictOperator(StageOperator):
    """Predicts every row of a dataset with one version of a registered model.

    The version is looked up once a DAG run, so all tries and all stages of the run use the same; the XCom ``model``
    says which. The output ``predictions`` is committed whole, when as many rows came out as went in; rows that the
    model cannot take are in the output ``rejected``, one JSON line each with the reason.

    Args:
        model: What a register stage put out, or the registered model's name.
        alias: Which version of a model that is given by its name.
        version: The same, by number.
        data: The dataset, a file or a folder of files.
        workers: How many share it, each a pod of its own; files are cut where there are fewer of them.
        prediction: Column of what is predicted.
        keep: Columns of the data that go along; all by default.
        output_format: ``parquet``, ``csv`` or ``jsonl`` (``format`` in the YAML).
        batch_rows: How many rows the model gets at once.
        max_rejected: Which part of the rows may be rejected; with more the task fails.
        plan_cpu: CPU of the pod that waits for the workers.
        plan_memory: Memory of the pod that waits for the workers.
    """

    kind: ClassVar[str] = "batch_predict"
    body: ClassVar[str | None] = "batch_predict"
    needs_tracking: bool = True
    default_outputs: ClassVar[Mapping[str, str]] = {"predictions": "dataset", "rejected": "dataset"}
    template_fields: Sequence[str] = tuple(sorted({*StageOperator.template_fields, "alias", "model", "version"}))

    def __init__(
        self,
        *,
        model: Any,
        data: Any,
        alias: str | None = None,
        version: str | int | None = None,
        workers: int = 1,
        prediction: str = "prediction",
        keep: Sequence[str] | None = None,
        output_format: str = "parquet",
        batch_rows: int = 10_000,
        max_rejected: float = 0.0,
        plan_cpu: str = "100m",
        plan_memory: str = "512Mi",
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs={"data": data}, **kwargs)
        self.model = model
        self.alias = alias
        self.version = version
        self.workers = workers
        self.prediction = prediction
        self.keep = None if keep is None else tuple(keep)
        self.output_format = output_format
        self.batch_rows = batch_rows
        self.max_rejected = max_rejected
        self.plan_cpu = plan_cpu
        self.plan_memory = plan_memory
        stage = f"stage {self.task_id!r}"
        if self.run or self.command or self.outputs != self.default_outputs:
            raise StageConfigurationError(f"{stage}: batch_predict takes neither run, command nor outputs")
        if self.mlflow_conn_id is None:
            raise StageConfigurationError(f"{stage}: batch_predict needs MLflow: set mlflow_conn_id")
        with settings_of(self.task_id):
            require_one_version(alias=alias, version=version)
        if output_format not in FORMATS:
            raise StageConfigurationError(
                f"{stage}: output_format is {output_format!r}; allowed are {', '.join(FORMATS)}"
            )
        if min(workers, batch_rows) < 1 or not 0 <= max_rejected <= 1:
            raise StageConfigurationError(
                f"{stage}: workers={workers}, batch_rows={batch_rows}, max_rejected={max_rejected}: at least one "
                f"worker and one row, and a part from 0 to 1, are wanted"
            )

    def options(self, context: Context, *, identity: StageIdentity, store: ArtifactStore) -> dict[str, Any]:
        """Return what is predicted with which version."""
        return {
            "model": self._model(identity),
            "workers": self.workers,
            "prediction": self.prediction,
            "keep": None if self.keep is None else list(self.keep),
            "format": self.output_format,
            "batch_rows": self.batch_rows,
        }

    def result_depends_on(self, context: Context, request: StageRequest) -> Mapping[str, Any] | str:
        """Return the options without what changes only how long it takes."""
        return {name: value for name, value in request.options.items() if name not in ("workers", "batch_rows")}

    def accept(self, context: Context, result: StageResult) -> Sequence[str] | None:
        """Say which version predicted; fail when too many rows were rejected."""
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
        """Whether workers run beside the stage's pod."""
        return self.workers > 1

    def companion(self, pod: V1Pod) -> V1Job:
        """Return the workers' Job, whose pods have the stage's resources; the pod that waits has its own."""
        from airflow_ml_provider.pod.worker_job import give_study_resources, worker_job

        job = worker_job(pod, container=self.base_container_name, workers=self.workers, step=BATCH_WORKER, indexed=True)
        give_study_resources(pod, container=self.base_container_name, cpu=self.plan_cpu, memory=self.plan_memory)
        return job

    def _model(self, identity: StageIdentity) -> dict[str, str]:
        if isinstance(self.model, Mapping) and {"name", "version"} <= self.model.keys():
            return {"name": str(self.model["name"]), "version": str(self.model["version"])}
        if not isinstance(self.model, str) or not _MODEL_NAME.fullmatch(self.model):
            raise StageConfigurationError(
                f"stage {self.task_id!r}: {self.model!r} is no registered model: give its name, or "
                f"register.output['model']"
            )
        if self.version is not None:
            return {"name": self.model, "version": str(self.version)}
        return {"name": self.model, "version": self._version_of_run(identity, self.alias or "champion")}

    def _version_of_run(self, identity: StageIdentity, alias: str) -> str:
        """Return the version that an alias named when a stage of this run first asked."""
        from airflow_ml_provider.hooks.mlflow_registry import ModelRegistry

        uri = join(identity.run_uri, _VERSIONS, f"{store_segment(f'{self.model}@{alias}')}.json")
        try:
            return str(json.loads(read_object(uri))["version"])
        except FileNotFoundError:
            pass
        found = ModelRegistry(str(self.mlflow_conn_id)).version_of_alias(self.model, alias)
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
