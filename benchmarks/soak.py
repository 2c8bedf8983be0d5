"""Runs everything that takes longer than a test may, and writes what came of it: ``make soak``.

The record is docs/reference/soak.md, with date, version, seed and duration of each check. An hour on two cores.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from airflow_ml_provider import __version__

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "docs" / "reference" / "soak.md"
HEAD = """\
# What runs for longer

`make soak` runs checks that take longer than a test may, with other random choices each time, and writes this page.
`AIRFLOW_ML_SOAK_SEED` repeats a run.

| check | what it does | seed | result | took |
| --- | --- | --- | --- | --- |
"""
CHECKS = (
    (
        "mistyped pipelines",
        "100,000 pipelines with random mistakes: each is accepted or an error with a place, within two seconds",
        ("-m", "pytest", "-q", "tests/soak/test_mistyped_pipelines.py"),
    ),
    (
        "killed runs",
        "40 runs on this machine, killed at random moments and resumed until they end; no process is left",
        ("-m", "pytest", "-q", "tests/soak/test_killed_runs.py"),
    ),
    (
        "new data",
        "2,000 objects in ten minutes, while scheduler, triggerer, DAG processor and workers are killed five times "
        "each: each version is in exactly one run",
        ("benchmarks/soak_new_data.py", "--seed", "SEED"),
    ),
)


def main() -> int:
    """Run all, write the record, and return 0 when all is well."""
    seed = int(os.environ.get("AIRFLOW_ML_SOAK_SEED") or random.SystemRandom().randrange(1_000_000))
    rows, failed = [], 0
    for name, what, arguments in CHECKS:
        print(f"{name}, seed {seed}", flush=True)
        began = time.monotonic()
        command = [sys.executable, *(str(seed) if word == "SEED" else word for word in arguments)]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "AIRFLOW_ML_SOAK_SEED": str(seed)}, check=False)
        failed += bool(done.returncode)
        result = "**failed**" if done.returncode else "passed"
        rows.append(f"| {name} | {what} | {seed} | {result} | {(time.monotonic() - began) / 60:.1f} min |")
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    text = "\n".join(rows)
    RECORD.write_text(f"{HEAD}{text}\n\nRun on {today}, version {__version__}.\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
