"""Links from a task in Airflow's UI to the other systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

from airflow_ml_provider.tracking.run_link import MLFLOW_RUN_URL

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

MODEL_VERSION_URL = "model_version_url"
ENDPOINT_URL = "endpoint_url"


class MlflowRunLink(BaseOperatorLink):
    """The stage's run in MLflow."""

    name = "MLflow run"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the run's address, empty when the stage was not tracked."""
        return _stored(MLFLOW_RUN_URL, ti_key)


class ModelVersionLink(BaseOperatorLink):
    """The registered model version in MLflow."""

    name = "Model version"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the version's address, empty when none was registered."""
        return _stored(MODEL_VERSION_URL, ti_key)


class EndpointLink(BaseOperatorLink):
    """Where a served model is asked."""

    name = "Endpoint"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the endpoint's address, empty when nothing was served."""
        return _stored(ENDPOINT_URL, ti_key)


def _stored(key: str, ti_key: TaskInstanceKey) -> str:
    from airflow.sdk.execution_time.xcom import XCom

    value = XCom.get_value(key=key, ti_key=ti_key)
    return value if isinstance(value, str) else ""
