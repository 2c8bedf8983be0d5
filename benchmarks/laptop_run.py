"""What a run on a laptop costs around its stages: ``airflow-ml run`` next to ``metaflow run``, four trivial steps each.

Prints medians of interleaved repeats, wall and processor time, and their ratios. Metaflow comes from PyPI into an
environment of its own. Quiet machine wanted; nothing else is needed.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from airflow_ml_provider.runners.stage_environment import stage_environment

METAFLOW = "metaflow==2.19.39"
FLOW = """\
from metaflow import FlowSpec, step


class FourFlow(FlowSpec):
    @step
    def start(self):
        self.x = 1
        self.next(self.b)

    @step
    def b(self):
        self.x += 1
        self.next(self.c)

    @step
    def c(self):
        self.x += 1
        self.next(self.end)

    @step
    def end(self):
        print(self.x)


if __name__ == "__main__":
    FourFlow()
"""
PIPELINE = """\
pipeline: four
code: steps
tracking: false
cache: {cache}
stages:
  a: {{kind: container, run: "steps.stages:a", outputs: {{x: file}}}}
  b: {{kind: container, run: "steps.stages:b", inputs: {{x: a.x}}, outputs: {{y: file}}}}
  c: {{kind: container, run: "steps.stages:b", inputs: {{x: b.y}}, outputs: {{y: file}}}}
  d: {{kind: container, run: "steps.stages:d", inputs: {{x: c.y}}}}
"""
STEPS = """\
from pathlib import Path


def a(x: Path):
    x.write_text("1")


def b(x: Path, y: Path):
    y.write_text(str(int(x.read_text()) + 1))


def d(x: Path):
    return {"x": int(x.read_text())}
"""
TEST = """\
import pytest


@pytest.mark.parametrize("number", range({count}))
def test_it(run_pipeline, number):
    run = run_pipeline("four.yaml", {{"params": {{"number": number}}}})
    assert run.metrics("d") == {{"x": 3.0}}
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        here, reused, flow = (_pipeline(folder / "run", cache=False), _pipeline(folder / "reused", cache=True), folder)
        (flow / "flow.py").write_text(FLOW)
        airflow_ml = str(Path(sys.executable).parent / "airflow-ml")
        python = _metaflow(folder / "env")
        core = "import airflow_ml_provider.cli.main, airflow_ml_provider.local.pipeline_run"
        ways = {
            "airflow-ml run": ([airflow_ml, "run", "four.yaml"], here),
            "airflow-ml run, all reused": ([airflow_ml, "run", "four.yaml"], reused),
            "its imports alone": ([sys.executable, "-c", core], here),
            "metaflow run": ([python, "flow.py", "--quiet", "--no-pylint", "run"], flow),
        }
        seen: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for number in range(repeats + 1):
            for name, (command, where) in ways.items():
                measured = _measured(command, where)
                # The first of each finds cold caches.
                if number:
                    seen[name].append(measured)
        _print(seen)
        _print_pytest(here, seen["airflow-ml run"])


def _pipeline(folder: Path, *, cache: bool) -> Path:
    (folder / "steps").mkdir(parents=True)
    (folder / "steps" / "__init__.py").touch()
    (folder / "steps" / "stages.py").write_text(STEPS)
    (folder / "four.yaml").write_text(PIPELINE.format(cache=str(cache).lower()))
    return folder


def _metaflow(folder: Path) -> str:
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, METAFLOW], check=True)
    return python


def _environment(folder: Path) -> Mapping[str, str]:
    metaflow = {"METAFLOW_HOME": str(folder / ".metaflowconfig"), "METAFLOW_USER": "bench", "USERNAME": "bench"}
    return {**stage_environment(os.environ), **metaflow, "HOME": str(folder)}


def _measured(command: list[str], folder: Path) -> tuple[float, float]:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=_environment(folder), capture_output=True, text=True, check=False, timeout=120
    )
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _print(seen: Mapping[str, list[tuple[float, float]]]) -> None:
    base = [statistics.median(column) for column in zip(*seen["metaflow run"], strict=True)]
    print(f"{'':<30}{'wall':>8}{'cpu':>8}{'wall / Metaflow':>18}{'cpu / Metaflow':>18}")
    for name, runs in seen.items():
        wall, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:<30}{wall:>7.2f}s{cpu:>7.2f}s{wall / base[0]:>18.2f}{cpu / base[1]:>18.2f}")


def _print_pytest(folder: Path, runs: list[tuple[float, float]]) -> None:
    """Print what a test adds to its stages' processes: the slope over the number of tests."""
    walls = []
    for count in (2, 8):
        (folder / "test_four.py").write_text(TEST.format(count=count))
        (folder / "four.yaml").write_text(
            PIPELINE.format(cache="false").replace("\nstages:", "\nparams: {number: 0}\nstages:")
        )
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        walls.append(min(_measured(command, folder)[0] for _ in range(3)))
    stage = [sys.executable, "-P", "-m", "airflow_ml_provider.runtime"]
    floor = min(_floor(stage) for _ in range(7)) * 4
    a_test = (walls[1] - walls[0]) / 6
    print(f"a test with run_pipeline: {a_test:.2f} s, of which {floor:.2f} s are four processes that start and end")


def _floor(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, env=dict(os.environ), capture_output=True, check=False)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
