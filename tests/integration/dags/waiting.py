"""Sensors of hand-written DAGs before the source whose new data they wait for."""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_ml_provider.operators import CommitOperator, SourceOperator
from airflow_ml_provider.sensors import NewDataSensor

for mode in ("sync", "deferrable"):
    with DAG(f"waiting_{mode}", schedule=None, params={"timeout": 60}) as dag:
        source = {
            "source": "numbers",
            "origin": str(Path(__file__).parent / f"waiting_{mode}" / "*.csv"),
            "settle": timedelta(seconds=1),
        }
        waiting = {"poke_interval": 1, "deferrable": mode == "deferrable", **source}
        wait = NewDataSensor(task_id="wait", timeout=90, **waiting)
        claim = SourceOperator(task_id="claim", mlflow_conn_id=None, **source)
        wait >> claim >> CommitOperator(task_id="commit", sources=["numbers"])
    globals()[dag.dag_id] = dag
    with DAG(f"in_vain_{mode}", schedule=None) as dag:
        waiting["origin"] = str(Path(__file__).parent / "never" / "*.csv")
        NewDataSensor(task_id="wait", timeout=3, **waiting)
        NewDataSensor(task_id="wait_softly", timeout=3, soft_fail=True, **waiting)
    globals()[dag.dag_id] = dag
