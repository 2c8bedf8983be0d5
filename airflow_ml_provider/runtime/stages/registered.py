"""A version of a registered model, out of MLflow."""

from __future__ import annotations

import os
from pathlib import Path

from airflow_ml_provider.runtime.errors import TrackingError


def fetch_version(tracking_uri: str, name: str, version: str, *, into: Path) -> Path:
    """Return the folder of a registered version, in MLflow's model format.

    Args:
        tracking_uri: The MLflow server.
        name: The registered model.
        version: The version, a number as text.
        into: The folder below which it is put.

    Raises:
        TrackingError: MLflow or its artifact store refused or did not answer, or the files are gone.
    """
    # In a log it is one line of noise a file.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow
    from mlflow.exceptions import MlflowException

    uri = f"models:/{name}/{version}"
    mlflow.set_tracking_uri(tracking_uri)
    try:
        found = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(into)))
    except (MlflowException, OSError) as error:
        raise _lost(uri, error.message if isinstance(error, MlflowException) else str(error)) from error
    # MLflow takes a folder that is not there for an empty one.
    if not (found / "MLmodel").is_file():
        raise _lost(uri, "there is no file MLmodel in it")
    return found


def _lost(uri: str, why: str) -> TrackingError:
    return TrackingError(f"{uri} cannot be loaded: {why}; see to the version's files in MLflow")
