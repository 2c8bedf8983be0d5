"""What tests ask a live Airflow."""

from dataclasses import dataclass
from pathlib import Path

from airflow_ml_provider.testing.airflow_api import AirflowApi
from airflow_ml_provider.testing.airflow_server import AirflowServer


@dataclass(frozen=True)
class Airflow:
    api: AirflowApi
    store: Path
    server: AirflowServer

    def run(self, dag_id, *, seconds=300, **conf):
        """Trigger a DAG, wait for its end, return the run's id, its state and its tasks' states."""
        self.api.wait_for_dag(dag_id)
        run_id = self.api.trigger(dag_id, conf=conf)
        state = self.api.wait_for_run(dag_id, run_id, seconds=seconds)
        return run_id, state, {name: task["state"] for name, task in self.api.tasks(dag_id, run_id).items()}
