"""Runs everything that takes longer than a test may, and writes what came of it: ``make soak``.

The record is docs/reference/soak.md, with date, version, seed and duration of each check. Twenty minutes on two cores;
named checks run alone (``benchmarks/soak.py "killed runs"``).
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

`make soak` runs checks that take longer than a test may, with other random choices each time, and writes this page:
a row for each check that ran. `AIRFLOW_ML_SOAK_SEED` repeats a run.

| check | what it does | date, version | seed | result | took |
| --- | --- | --- | --- | --- | --- |
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
    """Run the checks that are named, or all; write the record, and return 0 when all is well."""
    seed = int(os.environ.get("AIRFLOW_ML_SOAK_SEED") or random.SystemRandom().randrange(1_000_000))
    rows = _kept()
    failed = 0
    for name, what, arguments in CHECKS:
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        print(f"{name}, seed {seed}", flush=True)
        began = time.monotonic()
        command = [sys.executable, *(str(seed) if word == "SEED" else word for word in arguments)]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "AIRFLOW_ML_SOAK_SEED": str(seed)}, check=False)
        failed += bool(done.returncode)
        result = "**failed**" if done.returncode else "passed"
        today = dt.datetime.now(tz=dt.UTC).date().isoformat()
        took = f"{(time.monotonic() - began) / 60:.1f} min"
        rows[name] = f"| {name} | {what} | {today}, {__version__} | {seed} | {result} | {took} |"
        RECORD.write_text(HEAD + "".join(f"{row}\n" for row in rows.values()), encoding="utf-8")
    return 1 if failed else 0


def _kept() -> dict[str, str]:
    """Return the rows of checks that ran before."""
    if not RECORD.is_file():
        return {}
    lines = RECORD.read_text(encoding="utf-8").splitlines()
    found = {line.split("|")[1].strip(): line for line in lines if line.startswith("| ")}
    return {name: found[name] for name, *_ in CHECKS if name in found}


if __name__ == "__main__":
    sys.exit(main())
