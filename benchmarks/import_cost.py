"""What importing the provider and parsing a pipeline costs over importing KubernetesPodOperator alone.

Each repeat runs every variant once, in turn, in a fresh process. The process imports KubernetesPodOperator, notes its
processor time, then does what the variant says: the ratio compares two points of one process, because the spread
between two processes on a shared machine (shown as min and max) is larger than the cost that is to be seen.
The goal is a median of at most 1.03. Bytecode is compiled in a first round that is not counted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "example_dags"
MEASURE = """
import time
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
base = time.process_time()
{code}
print("measured", base, time.process_time())
"""
VARIANTS = {
    "KubernetesPodOperator": "",
    "+ the operators": "from airflow_ml_provider.operators import TrainOperator",
    "+ the YAML factory": "from airflow_ml_provider.dag_factory import load_dags",
    "+ flight_delays parsed": "from airflow_ml_provider.dag_factory import load_dags; load_dags({loader!r})",
}


def seconds(code: str, environment: dict[str, str]) -> tuple[float, float]:
    """Return the processor time of a fresh interpreter up to KubernetesPodOperator, and after ``code`` too."""
    command = [sys.executable, "-c", MEASURE.format(code=code)]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    _, base, whole = printed.splitlines()[-1].split()
    return float(base), float(whole)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as home:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["AIRFLOW_HOME"] = home
        shutil.copytree(EXAMPLES / "flight_delays", Path(home, "dags", "flight_delays"))
        loader = shutil.copy(EXAMPLES / "load_pipelines.py", Path(home, "dags"))
        variants = {name: code.format(loader=str(loader)) for name, code in VARIANTS.items()}
        for code in variants.values():
            seconds(code, environment)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
        for _ in range(repeats):
            for name, code in variants.items():
                times[name].append(seconds(code, environment))
    print(f"{repeats} repeats, seconds of processor time")
    print(f"{'':<24} {'median':>9} {'min':>7} {'max':>7} {'added ms':>9} {'ratio':>7}")
    for name, found in times.items():
        wholes = [whole for _, whole in found]
        added = statistics.median(whole - base for base, whole in found)
        ratio = statistics.median(whole / base for base, whole in found)
        print(
            f"{name:<24} {statistics.median(wholes):>9.3f} {min(wholes):>7.3f} {max(wholes):>7.3f} "
            f"{1000 * added:>9.1f} {ratio:>7.4f}"
        )


if __name__ == "__main__":
    main()
