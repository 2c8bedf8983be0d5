"""MLflow's model registry: versions and aliases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_ml_provider.exceptions import MlflowError
from airflow_ml_provider.hooks.mlflow import MlflowHook

CHAMPION, CHALLENGER = "champion", "challenger"
TAG_LIMIT = 5000
"""Characters of a version's tag that MLflow takes."""

_NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow answers when a model, a version or an alias is not there; of an alias it says the latter."""


class ModelRegistry:
    """The registered models of an MLflow server.

    Args:
        mlflow_conn_id: An Airflow connection to MLflow.
    """

    def __init__(self, mlflow_conn_id: str) -> None:
        self.hook = MlflowHook(mlflow_conn_id)

    def versions(self, model: str) -> Iterator[dict[str, Any]]:
        """Yield the versions of a model, page by page; none when there is no such model."""
        params: dict[str, Any] = {"filter": f"name='{model}'", "max_results": 1000}
        while True:
            answer = self.hook.call("GET", "model-versions/search", params=params)
            yield from answer.get("model_versions", [])
            if not answer.get("next_page_token"):
                return
            params["page_token"] = answer["next_page_token"]

    def version(self, model: str, version: str) -> dict[str, Any]:
        """Return a version of a model.

        Raises:
            MlflowError: There is none, or MLflow did not answer.
        """
        answer = self.hook.call("GET", "model-versions/get", params={"name": model, "version": version})
        found: dict[str, Any] = answer["model_version"]
        return found

    def set_tag(self, model: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version.

        Raises:
            MlflowError: There is no such version, or MLflow did not answer.
        """
        body = {"name": model, "version": version, "key": key, "value": value[:TAG_LIMIT]}
        self.hook.call("POST", "model-versions/set-tag", json=body)

    def promote(self, model: str, version: str) -> None:
        """Make a version the champion; it is a challenger no more. Done again, nothing changes.

        Raises:
            MlflowError: There is no such version, or MLflow did not answer.
        """
        alias = {"name": model, "alias": CHAMPION, "version": version}
        self.hook.call("POST", "registered-models/alias", json=alias)
        challenger = self.version_of_alias(model, CHALLENGER)
        if challenger is not None and str(challenger["version"]) == version:
            self.hook.call("DELETE", "registered-models/alias", json={"name": model, "alias": CHALLENGER})

    def version_of_alias(self, model: str, alias: str) -> dict[str, Any] | None:
        """Return the version that an alias names; ``None`` when there is no such model or alias."""
        try:
            answer = self.hook.call("GET", "registered-models/alias", params={"name": model, "alias": alias})
        except MlflowError as error:
            if error.code in _NOT_THERE:
                return None
            raise
        found: dict[str, Any] = answer["model_version"]
        return found
