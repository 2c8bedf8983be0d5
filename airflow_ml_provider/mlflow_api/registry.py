"""MLflow's model registry: versions and aliases."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_ml_provider.decisions.models.promotions import Promotion, history
from airflow_ml_provider.errors import MlflowError
from airflow_ml_provider.mlflow_api.answers import registered_model, version_of
from airflow_ml_provider.mlflow_api.client import MlflowClient
from airflow_ml_provider.protocol.promotions import PROMOTIONS_TAG, TAG_LIMIT, with_promotion

CHAMPION, CHALLENGER = "champion", "challenger"

_NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow answers when a model, a version or an alias is not there; of an alias it says the latter."""


class ModelRegistry:
    """The registered models of an MLflow server.

    Args:
        client: The server.
    """

    def __init__(self, client: MlflowClient) -> None:
        self.client = client

    def versions(self, model: str) -> Iterator[dict[str, Any]]:
        """Yield the versions of a model, page by page; none when there is no such model."""
        query = {"filter": f"name='{model}'", "max_results": 1000}
        yield from self.client.pages("GET", "model-versions/search", query, key="model_versions", read=version_of)

    def version(self, model: str, version: str) -> dict[str, Any]:
        """Return a version of a model.

        Raises:
            MlflowError: There is none, or MLflow did not answer.
        """
        query = {"name": model, "version": version}
        return self.client.ask("GET", "model-versions/get", query, key="model_version", read=version_of)

    def set_tag(self, model: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version.

        Raises:
            MlflowError: There is no such version, or MLflow did not answer.
        """
        body = {"name": model, "version": version, "key": key, "value": value[:TAG_LIMIT]}
        self.client.call("POST", "model-versions/set-tag", json=body)

    def delete_tag(self, model: str, version: str, key: str) -> None:
        """Remove a tag of a version; that it has none of that key is success.

        Raises:
            MlflowError: There is no such version, or MLflow did not answer.
        """
        try:
            self.client.call(
                "DELETE", "model-versions/delete-tag", json={"name": model, "version": version, "key": key}
            )
        except MlflowError as error:
            if error.code not in _NOT_THERE:
                raise

    def promote(self, model: str, version: str, *, by: str) -> None:
        """Make a version the champion; it is a challenger no more. Done again, nothing changes.

        Args:
            model: The registered model.
            version: The version.
            by: Who or what does it, for the history.

        Raises:
            MlflowError: There is no such version, or MLflow did not answer.
        """
        champion = self.version_of_alias(model, CHAMPION)
        alias = {"name": model, "alias": CHAMPION, "version": version}
        self.client.call("POST", "registered-models/alias", json=alias)
        tags = tags_of(self.version(model, version))
        if champion is None or str(champion["version"]) != version or PROMOTIONS_TAG not in tags:
            now = dt.datetime.now(tz=dt.UTC).isoformat()
            self.set_tag(model, version, PROMOTIONS_TAG, with_promotion(tags, at=now, by=by))
        challenger = self.version_of_alias(model, CHALLENGER)
        if challenger is not None and str(challenger["version"]) == version:
            self.client.call("DELETE", "registered-models/alias", json={"name": model, "alias": CHALLENGER})

    def history(self, model: str) -> list[Promotion]:
        """Return when which version became champion, the oldest first.

        Raises:
            MlflowError: MLflow did not answer.
        """
        return history((str(version["version"]), tags_of(version)) for version in self.versions(model))

    def models(self) -> Iterator[dict[str, Any]]:
        """Yield the registered models, page by page.

        Raises:
            MlflowError: MLflow did not answer.
        """
        query = {"max_results": 1000}
        yield from self.client.pages(
            "GET", "registered-models/search", query, key="registered_models", read=registered_model
        )

    def version_of_alias(self, model: str, alias: str) -> dict[str, Any] | None:
        """Return the version that an alias names; ``None`` when there is no such model or alias."""
        try:
            query = {"name": model, "alias": alias}
            return self.client.ask("GET", "registered-models/alias", query, key="model_version", read=version_of)
        except MlflowError as error:
            if error.code in _NOT_THERE:
                return None
            raise


def tags_of(version: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a version as MLflow's REST API gives it."""
    return {tag["key"]: tag["value"] for tag in version.get("tags", [])}
