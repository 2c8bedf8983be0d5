"""What is added to Airflow's UI: https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/plugins.html."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

PREFIX = "/ml"
_BUNDLE = Path(__file__).parent / "www" / "dist" / "ml.umd.js"


class _Apps:
    """Builds the routes when they are asked for: workers load the plugin too, and serve nothing."""

    def __get__(self, instance: object, owner: type) -> list[dict[str, Any]]:
        from airflow_ml_provider.plugin.routes import app

        return [{"app": app, "url_prefix": PREFIX, "name": "ml"}]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _mounted(path: str) -> str:
    """Return a path as browsers ask for it, where Airflow is not at the root of its host."""
    return f"{urlsplit(conf.get('api', 'base_url', fallback='') or '').path.rstrip('/')}{path}"


def _page(name: str, **place: Any) -> dict[str, Any]:
    """Return our page at a place of Airflow's; the host keeps its code under its name, for all plugins."""
    # Browsers keep a bundle for as long as its address is the same.
    return {"name": name, "bundle_url": _mounted(f"{PREFIX}/static/ml.umd.js?v={_digest(_BUNDLE)}"), **place}


class MlPlugin(AirflowPlugin):
    """The page of all pipelines, tabs of each DAG and run, and one that says what a DAG's next run would do."""

    name = "ml"
    fastapi_apps = _Apps()
    react_apps = [  # noqa: RUF012 - Airflow declares it for the instance
        _page("ML", destination="nav", url_route="ml", nav_top_level=True),
        _page("ML runs", destination="dag", url_route="ml_runs"),
        _page("ML run", destination="dag_run", url_route="ml_run"),
    ]
    external_views = [  # noqa: RUF012 - Airflow declares it for the instance
        {
            "name": "ML plan",
            "href": f"{PREFIX}/dags/{{DAG_ID}}/plan",
            "destination": "dag",
            "url_route": "ml_plan",
        }
    ]
