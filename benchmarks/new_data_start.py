"""Seconds from the moment at which a file is settled to the start of the run that gets it, in a real Airflow.

Files are written one after another, each once the run of the one before has ended, at random moments of the poll. The
goal is one poll + 2 s.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import statistics
import tempfile
import time
from pathlib import Path

from airflow_ml_provider.testing.airflow_api import AirflowApi, wait_until
from airflow_ml_provider.testing.airflow_server import AirflowServer

SETTLE = 1.0
PIPELINE = """\
pipeline: started
tracking: false
schedule: {{data: feed}}
sources:
  feed: {{uri: "data/*.csv", settle: 1s, poll: {poll:.0f}s}}
stages:
  show: {{kind: container, command: [sh, -c, "ls $AIRFLOW_ML_INPUT_FEED"], inputs: {{feed: sources.feed}}}}
"""
LOADER = "from airflow_ml_provider.dag_factory import load_dags\n\nglobals().update(load_dags(__file__))\n"


def starts(api: AirflowApi, folder: Path, *, count: int, poll: float) -> list[float]:
    """Write files and return how long each waited for its run to start, beyond its settling."""
    waited = []
    for number in range(count):
        time.sleep(random.uniform(0, poll))
        file = folder / f"{number}.csv"
        file.write_text("1")
        settled = file.stat().st_mtime + SETTLE
        runs = wait_for_runs(api, number + 1)
        began = max(dt.datetime.fromisoformat(run["start_date"]).timestamp() for run in runs)
        waited.append(began - settled)
    return waited


def wait_for_runs(api: AirflowApi, count: int) -> list[dict[str, str]]:
    """Wait until so many runs have ended well, and return them."""
    found: list[dict[str, str]] = []

    def ended() -> bool:
        found[:] = api.get("/dags/started/dagRuns", limit=100)["dag_runs"]
        return len([run for run in found if run["state"] == "success"]) >= count

    wait_until(ended, what=f"run {count}", seconds=120)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--poll", type=float, default=5.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "dags")
        (folder / "data").mkdir(parents=True)
        (folder / "load_pipelines.py").write_text(LOADER)
        (folder / "started.yaml").write_text(PIPELINE.format(poll=options.poll))
        environment = {"AIRFLOW__ML__STORE": f"file://{name}/store"}
        with AirflowServer(home=Path(name, "airflow"), dags_folder=folder, environment=environment) as api:
            api.wait_for_dag("started")
            waited = starts(api, folder / "data", count=options.files, poll=options.poll)
    print(f"{options.files} files, a look every {options.poll:.0f} s; seconds from settled to the run's start")
    print(f"median {statistics.median(waited):.1f}, longest {max(waited):.1f}; goal {options.poll + 2:.0f}")


if __name__ == "__main__":
    main()
