"""A registered model over a dataset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from airflow_ml_provider.decisions.stage_rules import require_one_version
from airflow_ml_provider.errors import StageConfigurationError, settings_of
from airflow_ml_provider.kinds.batch_predict import BatchPredictStage
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators.stage import StageOperator

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

    stage_class: ClassVar[type[Stage]] = BatchPredictStage

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
        if self.run or self.command or self.outputs != self.stage_class.default_outputs:
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
