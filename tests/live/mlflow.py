"""What tests ask a live MLflow."""

from dataclasses import dataclass

import httpx


class Mlflow:
    """What tests ask a live MLflow, through its REST API."""

    def __init__(self, uri):
        self.uri = uri

    def call(self, method, path, **options):
        response = httpx.request(method, f"{self.uri}/api/2.0/mlflow/{path}", timeout=30, **options)
        response.raise_for_status()
        return response.json()

    def runs(self, pipeline, dag_run):
        """Return the runs of one DagRun by role, then by name."""
        found = self.call("GET", "experiments/get-by-name", params={"experiment_name": pipeline})["experiment"]
        body = {
            "experiment_ids": [found["experiment_id"]],
            "filter": f"tags.`airflow_ml.dag_run` = '{dag_run}'",
            "max_results": 1000,
        }
        runs = {"pipeline": {}, "stage": {}, "attempt": {}, "trial": {}, "champion": {}}
        for run in self.call("POST", "runs/search", json=body).get("runs", []):
            tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
            named = runs[tags["airflow_ml.role"]]
            assert run["info"]["run_name"] not in named, "a run is there twice"
            named[run["info"]["run_name"]] = Run(
                id=run["info"]["run_id"],
                status=run["info"]["status"],
                tags=tags,
                params={entry["key"]: entry["value"] for entry in run["data"].get("params", [])},
                metrics={entry["key"]: entry["value"] for entry in run["data"].get("metrics", [])},
            )
        return runs

    def history(self, run_id, metric):
        """Return every value that was logged of a metric as (step, value)."""
        entries = self.call("GET", "metrics/get-history", params={"run_id": run_id, "metric_key": metric})["metrics"]
        return sorted((entry.get("step", 0), entry["value"]) for entry in entries)

    def versions(self, name):
        """Return the versions of a registered model."""
        answer = self.call("GET", "model-versions/search", params={"filter": f"name='{name}'"})
        return answer.get("model_versions", [])

    def aliases(self, name):
        """Return the version of each alias of a registered model."""
        model = self.call("GET", "registered-models/get", params={"name": name})["registered_model"]
        return {entry["alias"]: str(entry["version"]) for entry in model.get("aliases", [])}


@dataclass(frozen=True)
class Run:
    id: str
    status: str
    tags: dict
    params: dict
    metrics: dict
