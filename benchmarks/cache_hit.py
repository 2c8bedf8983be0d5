"""Seconds of a task whose result is reused, against EmptyOperator, in chains of ten through a real scheduler.

Each round runs every chain once, in turn, in one Airflow (standalone, LocalExecutor, SQLite). The stages were run once
before; each reads the output of the one before. Tracked stages write to a real MLflow on this machine. That no pod
is made is tested in tests/cluster/test_reuse_in_pods.py. The goal is EmptyOperator + 0.5 s.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from airflow_ml_provider.testing.airflow_api import AirflowApi
from airflow_ml_provider.testing.airflow_server import AirflowServer
from airflow_ml_provider.testing.mlflow_server import MlflowServer

CHAIN = 10
STAGES = """\
from pathlib import Path


def first(made: Path):
    made.write_text("x" * 1000)


def next_one(before: Path, made: Path):
    made.write_text(before.read_text() + "x")
"""
DAGS = """
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, chain

from airflow_ml_provider.operators import ContainerOperator, FinishOperator


def stages(tracked):
    shared = dict(code="steps", outputs={{"made": "file"}}, cache=True)
    shared["mlflow_conn_id"] = "mlflow_default" if tracked else None
    tasks = [ContainerOperator(task_id="t0", run="steps.work:first", **shared)]
    for number in range(1, {chain}):
        before = {{"before": tasks[-1].output["made"]}}
        tasks.append(ContainerOperator(task_id=f"t{{number}}", run="steps.work:next_one", inputs=before, **shared))
    return tasks


with DAG("empty", schedule=None) as dag_empty:
    chain(*[EmptyOperator(task_id=f"t{{number}}") for number in range({chain})])
with DAG("reused", schedule=None, params={{"reuse": True}}) as dag_reused:
    stages(False)
with DAG("reused_tracked", schedule=None, params={{"reuse": True}}) as dag_tracked:
    stages(True)[-1] >> FinishOperator(task_id="finish").as_teardown()
"""
CHAINS = {"empty": "EmptyOperator", "reused": "reused", "reused_tracked": "reused, tracked in MLflow"}


def seconds_a_task(api: AirflowApi, dag: str) -> float:
    """Run a chain; returns the time from the start of its first task to the end of its last, over its length."""
    run = api.trigger(dag)
    state = api.wait_for_run(dag, run, seconds=400)
    assert state == "success", api.log(dag, run, "t0")
    tasks: dict[str, dict[str, Any]] = api.tasks(dag, run)
    begun, ended = (
        dt.datetime.fromisoformat(tasks[task][key].replace("Z", "+00:00"))
        for task, key in (("t0", "start_date"), (f"t{CHAIN - 1}", "end_date"))
    )
    if dag != "empty":
        told = [api.xcom(dag, run, f"t{number}", "cache") for number in range(CHAIN)]
        print(f"  {dag}: {sum(entry['reused'] for entry in told)} of {CHAIN} reused")
    return (ended - begun).total_seconds() / CHAIN


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder, MlflowServer(Path(folder, "mlflow")) as mlflow:
        dags = Path(folder, "dags")
        (dags / "steps").mkdir(parents=True)
        (dags / "steps" / "__init__.py").touch()
        (dags / "steps" / "work.py").write_text(STAGES, encoding="utf-8")
        (dags / "chains.py").write_text(DAGS.format(chain=CHAIN), encoding="utf-8")
        server = AirflowServer(
            home=Path(folder, "home"),
            dags_folder=dags,
            environment={
                "AIRFLOW__ML__STORE": f"file://{folder}/store",
                "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps({"conn_type": "mlflow", "host": mlflow.uri}),
            },
        )
        taken: dict[str, list[float]] = {key: [] for key in CHAINS}
        with server as api:
            for key in CHAINS:
                api.wait_for_dag(key)
                seconds_a_task(api, key)
            for _ in range(repeats):
                for key in CHAINS:
                    taken[key].append(seconds_a_task(api, key))
    base = statistics.median(taken["empty"])
    print(f"{repeats} repeats, chains of {CHAIN}")
    print(f"{'seconds a task':<24} {'median':>7} {'min':>7} {'max':>7} {'- empty':>8} {'ratio':>6}")
    for key, name in CHAINS.items():
        found = taken[key]
        median = statistics.median(found)
        spread = f"{min(found):>7.2f} {max(found):>7.2f}"
        print(f"{name:<24} {median:>7.2f} {spread} {median - base:>8.2f} {median / base:>6.2f}")


if __name__ == "__main__":
    main()
