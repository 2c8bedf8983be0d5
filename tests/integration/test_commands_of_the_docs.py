"""The commands of README, CONTRIBUTING and docs that start servers, load data or take long, as a reader types them."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_ml_provider.testing.airflow_api import wait_until
from airflow_ml_provider.testing.server_process import free_port

ROOT = Path(__file__).parents[2]


def typed(*command, cwd=ROOT, **variables):
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def ports():
    return {name: str(free_port()) for name in ("MLFLOW_PORT", "AIRFLOW_PORT")}


def test_make_demo(ports):
    printed = typed("make", "demo", **ports)
    assert "The run ended as success" in printed
    assert "Model      flight_delays version" in printed


def test_make_ui(ports, tmp_path):
    log = tmp_path / "ui.log"
    with log.open("w") as out:
        # GNU make hands the terminal's Ctrl-C on to its group; env, because a CI's shell may ignore SIGINT.
        process = subprocess.Popen(
            ["env", "--default-signal=INT", "make", "ui"],
            cwd=ROOT,
            env={**os.environ, **ports},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    wait_until(lambda: "Ctrl-C stops both" in log.read_text(), what="Airflow and MLflow", seconds=180)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=60)
    assert "Airflow and MLflow are stopped" in log.read_text()


def test_make_generated_finds_nothing_to_do():
    docs = ROOT / "docs" / "reference"
    files = (ROOT / "airflow_ml_provider/spec/pipeline.schema.json", docs / "errors.md", docs / "pod-arguments.md")
    before = [file.read_text() for file in files]
    typed("make", "generated")
    assert [file.read_text() for file in files] == before


def test_make_constraints(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    (tmp_path / "README.md").touch()
    typed("make", "--old-file=env", "constraints", cwd=tmp_path)
    assert "apache-airflow==3." in (tmp_path / "constraints.txt").read_text()
    assert "--hash=sha256:" in (tmp_path / "constraints-hashed.txt").read_text()


@pytest.mark.parametrize(
    ("script", "options", "told"),
    [
        ("import_cost.py", ["--repeats", "1"], "+ flight_delays parsed"),
        ("waiting.py", ["--pods", "20", "--seconds", "3"], "StagePodTrigger"),
    ],
)
def test_what_make_bench_runs(script, options, told):
    assert script in (ROOT / "Makefile").read_text()
    assert told in typed(sys.executable, f"benchmarks/{script}", *options)


def test_all_flights(tmp_path):
    shutil.copy(ROOT / "example_dags/flight_delays/get_data.py", tmp_path)
    printed = typed(sys.executable, "get_data.py", "full-data", cwd=tmp_path)
    counts = [int(line.split()[-2].replace(",", "")) for line in printed.splitlines()]
    assert (len(counts), sum(counts)) == (12, 336_776)
