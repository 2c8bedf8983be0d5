"""Did it really succeed? MLflow and the store are asked, not believed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import httpx

from airflow_ml_provider.testing.airflow_api import AirflowApi


@dataclass(frozen=True)
class Outcome:
    """What the run left behind.

    Attributes:
        model: Name, version and alias as MLflow knows them.
        created: Whether this run made the version; a run with the same model content reuses it.
        run_url: The pipeline's run in MLflow.
        model_folder: Where the model lies in the artifact store.
    """

    model: str
    created: bool
    run_url: str
    model_folder: Path


def read_outcome(api: AirflowApi, mlflow_url: str, dag_id: str, run_id: str) -> tuple[Outcome | None, list[str]]:
    """Return what is there, and what is missing of a whole success."""
    problems = [
        f"stage {name} is {task['state']}"
        for name, task in api.tasks(dag_id, run_id).items()
        if task["state"] != "success"
    ]
    registered = api.xcom(dag_id, run_id, "register", "model")
    if registered is None:
        return None, [*problems, "no model was registered"]
    runs = _runs(mlflow_url, dag_id, run_id)
    parents = [run for run in runs if _tag(run, "airflow_ml.role") == "pipeline"]
    if len(parents) != 1:
        problems.append(f"MLflow holds {len(parents)} runs for this DagRun instead of 1")
    problems += [
        f"MLflow run {r['info']['run_name']} is {r['info']['status']}"
        for r in runs
        if r["info"]["status"] != "FINISHED"
    ]
    version = _alias(mlflow_url, registered["name"], "champion")
    if version != registered["version"]:
        problems.append(f"alias champion is on version {version}, not {registered['version']}")
    folder = Path(urlparse(api.xcom(dag_id, run_id, "train", "model")["uri"]).path)
    if not (folder / "MLmodel").is_file():
        problems.append(f"there is no model in {folder}")
    info = parents[0]["info"] if parents else {"experiment_id": "", "run_id": ""}
    outcome = Outcome(
        model=f"{registered['name']} version {registered['version']}, alias {registered['alias']}",
        created=registered["created"],
        run_url=f"{mlflow_url}/#/experiments/{info['experiment_id']}/runs/{info['run_id']}",
        model_folder=folder,
    )
    return outcome, problems


def _runs(mlflow_url: str, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    experiment = _call(mlflow_url, "experiments/get-by-name", {"experiment_name": dag_id})["experiment"]
    response = httpx.post(
        f"{mlflow_url}/api/2.0/mlflow/runs/search",
        json={
            "experiment_ids": [experiment["experiment_id"]],
            "filter": f"tags.`airflow_ml.dag_run` = '{run_id}'",
            "max_results": 1000,
        },
    )
    response.raise_for_status()
    runs: list[dict[str, Any]] = response.json().get("runs", [])
    return runs


def _alias(mlflow_url: str, name: str, alias: str) -> str | None:
    found = _call(mlflow_url, "registered-models/get", {"name": name})["registered_model"].get("aliases", [])
    return next((str(entry["version"]) for entry in found if entry["alias"] == alias), None)


def _call(mlflow_url: str, path: str, params: dict[str, str]) -> Any:
    response = httpx.get(f"{mlflow_url}/api/2.0/mlflow/{path}", params=params)
    response.raise_for_status()
    return response.json()


def _tag(run: dict[str, Any], key: str) -> str | None:
    return next((tag["value"] for tag in run["data"]["tags"] if tag["key"] == key), None)
