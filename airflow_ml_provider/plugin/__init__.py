"""What is added to Airflow's UI: https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/plugins.html."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/ml"


class _Apps:
    """Builds the routes when they are asked for: workers load the plugin too, and serve nothing."""

    def __get__(self, instance: object, owner: type) -> list[dict[str, Any]]:
        from airflow_ml_provider.plugin.routes import app

        return [{"app": app, "url_prefix": PREFIX, "name": "ml"}]


class MlPlugin(AirflowPlugin):
    """A tab of each DAG that says what its next run would do."""

    name = "ml"
    fastapi_apps = _Apps()
    external_views = [  # noqa: RUF012 - Airflow declares it for the instance
        {
            "name": "ML plan",
            "href": f"{PREFIX}/dags/{{DAG_ID}}/plan",
            "destination": "dag",
            "url_route": "ml_plan",
        }
    ]
