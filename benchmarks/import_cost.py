"""What importing the provider and parsing a pipeline costs over importing KubernetesPodOperator alone.

Every repeat runs each variant once in a fresh process, in turn; figures are medians, the ratio is of the medians.
The goal is at most 1.03.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LOADER = Path(__file__).parent.parent / "example_dags" / "load_pipelines.py"
KPO = "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator"
VARIANTS = {
    "KubernetesPodOperator": KPO,
    "the operators": "from airflow_ml_provider.operators import TrainOperator",
    "operators and YAML factory": "from airflow_ml_provider.dag_factory import load_dags",
    "factory, flight_delays parsed": (
        f"from airflow_ml_provider.dag_factory import load_dags; load_dags({str(LOADER)!r})"
    ),
}


def seconds(code: str, environment: dict[str, str]) -> float:
    """Return the processor time of a fresh interpreter that runs ``code``."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    after = os.times()
    return (after.children_user - before.children_user) + (after.children_system - before.children_system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as home:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["AIRFLOW_HOME"] = home
        for code in VARIANTS.values():
            seconds(code, environment)
        times: dict[str, list[float]] = {name: [] for name in VARIANTS}
        for _ in range(repeats):
            for name, code in VARIANTS.items():
                times[name].append(seconds(code, environment))
    base = statistics.median(times["KubernetesPodOperator"])
    print(f"{'fresh process':<32} {'median s':>9} {'min':>7} {'max':>7} {'ratio':>7}   ({repeats} interleaved repeats)")
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:<32} {median:>9.3f} {min(found):>7.3f} {max(found):>7.3f} {median / base:>7.3f}")


if __name__ == "__main__":
    main()
