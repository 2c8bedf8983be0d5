"""Runs on this machine that are killed at any moment: --resume ends them, and no process is left."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

AIRFLOW_ML = str(Path(sys.executable).parent / "airflow-ml")
RUNS, LONGEST_SECONDS = 40, 1.6
STEPS = """\
import time
from pathlib import Path


def grow(x: Path, y: Path):
    time.sleep(0.15)
    y.write_text(x.read_text() + "1")


def first(y: Path):
    y.write_text("1")


def last(x: Path):
    return {"length": len(x.read_text())}
"""
PIPELINE = """\
pipeline: killed
code: steps
tracking: false
stages:
  a: {kind: container, run: "steps.stages:first", outputs: {y: file}}
  b: {kind: container, run: "steps.stages:grow", inputs: {x: a.y}, outputs: {y: file}, checkpoints: 1h}
  c: {kind: container, run: "steps.stages:grow", inputs: {x: b.y}, outputs: {y: file}}
  d: {kind: container, run: "steps.stages:last", inputs: {x: c.y}}
"""


def left_over(folder):
    """Return the processes that still work for runs in a folder."""
    mark = f"file://{folder}"
    found = []
    for process in psutil.process_iter(["environ", "pid"]):
        if mark in (process.info["environ"] or {}).get("AIRFLOW_ML_REQUEST", ""):
            found.append(process.info["pid"])
    return found


def test_a_run_that_is_killed_at_any_moment_can_be_resumed(seed, tmp_path):
    print(f"seed {seed}")
    chance = random.Random(seed)
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "__init__.py").touch()
    (tmp_path / "steps" / "stages.py").write_text(STEPS)
    (tmp_path / "killed.yaml").write_text(PIPELINE)
    kills = 0
    for _ in range(RUNS):
        arguments = []
        while True:
            process = subprocess.Popen(
                [AIRFLOW_ML, "run", "killed.yaml", "--json", *arguments],
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=dict(os.environ),
            )
            try:
                said, errors = process.communicate(timeout=chance.uniform(0.2, LONGEST_SECONDS))
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
            home = tmp_path / ".airflow-ml" / "results" / "killed" / "_run.json"
            arguments = ["--resume"] if home.is_file() else []
        if "there is nothing to go on with" not in errors:
            assert process.returncode == 0, errors
            assert json.loads(said)["stages"]["d"]["metrics"] == {"length": 3.0}
        until = time.monotonic() + 10
        while left_over(tmp_path):
            assert time.monotonic() < until, "a stage of a killed run still runs"
            time.sleep(0.1)
    assert kills > RUNS // 4
