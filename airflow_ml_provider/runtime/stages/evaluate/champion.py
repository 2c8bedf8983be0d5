"""The champion, out of MLflow's registry."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.body import BodyContext
from airflow_ml_provider.runtime.errors import TrackingError
from airflow_ml_provider.runtime.stages.registered import fetch_version


def fetch_champion(context: BodyContext, known: Mapping[str, Any]) -> Path:
    """Return the folder of a registered version.

    Args:
        context: The stage.
        known: ``name`` and ``version``.

    Raises:
        TrackingError: MLflow or its artifact store refused or did not answer.
    """
    assert context.request.tracking is not None
    # Next to the other inputs, so that it goes with the attempt.
    folder = tempfile.mkdtemp(prefix="champion-", dir=next(iter(context.inputs.values())).parent)
    try:
        return fetch_version(context.request.tracking.uri, known["name"], known["version"], into=Path(folder))
    except TrackingError as error:
        raise TrackingError(
            f"evaluate: the champion cannot be compared with: {error}, or move the alias 'champion' to a version that "
            f"has them"
        ) from error


@contextmanager
def logging_apart(request: StageRequest, name: str) -> Iterator[None]:
    """Let what the code logs to MLflow go to a run of its own, below the stage's, while the block runs."""
    if request.tracking is None:
        yield
        return
    import mlflow
    from mlflow.exceptions import MlflowException

    client, stage = mlflow.MlflowClient(tracking_uri=request.tracking.uri), os.environ["MLFLOW_RUN_ID"]
    tags = {
        "airflow_ml.role": "champion",
        "airflow_ml.pipeline": request.pipeline,
        "airflow_ml.dag_run": request.dag_run,
        "airflow_ml.stage": request.stage,
        "mlflow.parentRunId": request.tracking.run_id,
    }
    try:
        run = client.create_run(request.tracking.experiment_id, tags=tags, run_name=name).info.run_id
    except MlflowException as error:
        raise TrackingError(f"evaluate: MLflow refused a run for {name}: {error.message}") from error
    os.environ["MLFLOW_RUN_ID"] = run
    try:
        yield
    finally:
        os.environ["MLFLOW_RUN_ID"] = stage
        # The code's own calls made it the active run.
        mlflow.end_run()
        with suppress(MlflowException):
            client.set_terminated(run)


def schema_difference(model: Path, champion: Path) -> str:
    """Say which columns only one of two MLflow models takes, empty when they take the same or do not say."""
    mine, theirs = _columns(model), _columns(champion)
    if mine is None or theirs is None or mine == theirs:
        return ""
    parts = [
        f"{whose} {', '.join(sorted(map(str, columns)))}"
        for whose, columns in (("new", mine - theirs), ("gone", theirs - mine))
        if columns
    ]
    return "; ".join(parts)


def _columns(model: Path) -> set[str] | None:
    if not (model / "MLmodel").is_file():
        return None
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    try:
        schema = Model.load(str(model)).get_input_schema()
    except MlflowException:
        return None
    return set(schema.input_names()) if schema is not None and schema.has_input_names() else None
