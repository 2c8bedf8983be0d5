"""What a user types first, on the wheel as it is installed, in an empty folder outside this repository."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from airflow_ml_provider.testing.airflow_api import wait_until

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that the built wheel is installed into, before the repository's own package."""
    dist, site = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("site")
    uv = str(BIN / "uv")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", str(dist), str(ROOT)], check=True)
    (wheel,) = dist.glob("*.whl")
    install = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--no-deps", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True)
    return wheel, site


def typed(line, *, folder, site):
    environment = {**os.environ, "PYTHONPATH": str(site), "PATH": f"{site / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_init_validate_and_run_as_typed(installed, tmp_path):
    _, site = installed
    where = typed("python -c 'import airflow_ml_provider as p; print(p.__file__)'", folder=tmp_path, site=site)
    assert where.stdout.startswith(str(site)), where
    done = typed("airflow-ml init && airflow-ml validate && airflow-ml run", folder=tmp_path, site=site)
    assert done.returncode == 0, done.stderr
    assert "flights/pipeline.yaml: flights, 4 stages, no mistakes" in done.stdout
    assert "evaluate: success" in done.stdout
    assert "rmse 18." in done.stdout
    assert not list((tmp_path / ".airflow-ml").glob("work-*"))
    part = typed("airflow-ml run --json --from train --param train.longest_delay=30", folder=tmp_path, site=site)
    stages = json.loads(part.stdout)["stages"]
    assert list(stages) == ["train", "evaluate"]
    assert stages["train"]["metrics"]["slope"] != pytest.approx(1.0342, abs=1e-4)
    again = typed("airflow-ml run --json --stage evaluate", folder=tmp_path, site=site)
    assert json.loads(again.stdout)["stages"]["evaluate"]["metrics"] == stages["evaluate"]["metrics"]


def test_a_run_that_cannot_begin_says_so(installed, tmp_path):
    _, site = installed
    typed("airflow-ml init", folder=tmp_path, site=site)
    assert "there is no stage 'trian'" in typed("airflow-ml run --stage trian", folder=tmp_path, site=site).stderr
    unknown = typed("airflow-ml run --param depth=3", folder=tmp_path, site=site)
    assert (unknown.returncode, unknown.stderr.startswith("the pipeline has no param 'depth'")) == (2, True)
    both = typed("airflow-ml run --stage train --from train", folder=tmp_path, site=site)
    assert "give one of them" in both.stderr
    alone = typed("airflow-ml run --stage evaluate", folder=tmp_path, site=site)
    assert "reads train.model, and no earlier run here left it" in alone.stderr
    pipeline = tmp_path / "flights" / "pipeline.yaml"
    pipeline.write_text(
        pipeline.read_text() + "  r: {kind: register, model: train.model, name: m, needs: [evaluate]}\n"
    )
    assert (
        "no MLflow is known here: set AIRFLOW_CONN_MLFLOW_DEFAULT"
        in typed("airflow-ml run", folder=tmp_path, site=site).stderr
    )


def test_a_failed_stage_is_reported_with_its_reason(installed, tmp_path):
    _, site = installed
    typed("airflow-ml init", folder=tmp_path, site=site)
    code = tmp_path / "flights" / "steps" / "stages.py"
    code.write_text(
        code.read_text().replace(
            "    rows = [row for row in json", "    assert 1 > 2, 'no'\n    rows = [row for row in json"
        )
    )
    done = typed("airflow-ml run", folder=tmp_path, site=site)
    assert done.returncode == 1
    assert "train: failed" in done.stdout
    assert "evaluate: upstream_failed" in done.stdout
    assert "train failed: running steps.stages:train: AssertionError: no" in done.stderr
    assert "the whole log: .airflow-ml/logs/flights-" in done.stderr


def test_the_wheel_holds_what_it_needs_and_nothing_else(installed):
    wheel, _ = installed
    names = zipfile.ZipFile(wheel).namelist()
    assert "airflow_ml_provider/spec/pipeline.schema.json" in names
    assert "airflow_ml_provider/cli/scaffold/flights.csv" in names
    assert "airflow_ml_provider/py.typed" in names
    # Of the page, what it was built into, and nothing that it was built from.
    folder = "airflow_ml_provider/plugin/www/dist"
    assert {name for name in names if "/www/" in name} == {f"{folder}/licenses.md", f"{folder}/ml.umd.js"}
    assert not [name for name in names if name.startswith(("tests/", "demo/", "benchmarks/", "docs/"))]


SLEEP = "import os, pathlib, time\npathlib.Path({marker!r}).write_text(str(os.getpid()))\ntime.sleep(300)\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_outlives_a_run_that_is_ended(installed, tmp_path, number):
    _, site = installed
    typed("airflow-ml init", folder=tmp_path, site=site)
    marker = tmp_path / "pid"
    code = tmp_path / "flights" / "steps" / "stages.py"
    body = SLEEP.format(marker=str(marker)).replace("\n", "\n    ").rstrip()
    code.write_text(
        code.read_text().replace("    rows = [row for row in json", f"    {body}\n    rows = [row for row in json", 1)
    )
    # A shell that runs tests in the background lets them ignore SIGINT.
    run = subprocess.Popen(
        ["env", "--default-signal=INT", str(BIN / "airflow-ml"), "run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(marker.exists, what="the stage that sleeps", seconds=120)
        below = [
            run.pid,
            *(child.pid for child in psutil.Process(run.pid).children(recursive=True)),
            int(marker.read_text()),
        ]
        began = time.monotonic()
        run.send_signal(number)
        assert run.wait(20) != 0
        wait_until(lambda: not any(map(psutil.pid_exists, below)), what="the end of all its processes", seconds=20)
        assert time.monotonic() - began < 15
    finally:
        run.kill()


def test_two_first_runs_in_one_folder_do_not_meet(installed, tmp_path):
    _, site = installed
    typed("airflow-ml init", folder=tmp_path, site=site)
    typed("airflow-ml init --name other", folder=tmp_path, site=site)
    line = "airflow-ml run flights > one.log 2>&1 & first=$!; airflow-ml run other > two.log 2>&1; code=$?; "
    done = typed(f"{line} wait $first && exit $code", folder=tmp_path, site=site)
    logs = (tmp_path / "one.log").read_text() + (tmp_path / "two.log").read_text()
    assert done.returncode == 0, logs


def test_a_run_here_keeps_to_this_folder_and_to_the_stages_that_were_asked_for(installed, tmp_path):
    _, site = installed
    typed("airflow-ml init", folder=tmp_path, site=site)
    # Names of Python's own, which the current folder must not give to Airflow.
    (tmp_path / "secrets.py").write_text("x = 1\n")
    pipeline = tmp_path / "flights" / "pipeline.yaml"
    text = pipeline.read_text().replace("code: ./steps", f"code: ./steps\nstore: file://{tmp_path}/elsewhere")
    text = text.replace('"< baseline_rmse"}', '"< 3"}\n    on_failure: warn')
    pipeline.write_text(text + "  register: {kind: register, model: train.model, name: m, needs: [evaluate]}\n")
    done = typed("airflow-ml run --stage ingest", folder=tmp_path, site=site)
    assert done.returncode == 0, done.stderr
    pipeline.write_text(text)
    done = typed("airflow-ml run", folder=tmp_path, site=site)
    assert done.returncode == 0, done.stderr
    assert "gate not passed: rmse is 18.3158, not < 3" in done.stdout
    assert f"train.model: file://{tmp_path}/.airflow-ml/artifacts/" in done.stdout
    assert not (tmp_path / "elsewhere").exists()


def test_the_wheel_brings_its_extras(installed):
    wheel, site = installed
    command = [str(BIN / "uv"), "pip", "install", "--dry-run", "--target", str(site), f"{wheel}[s3]"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "+ s3fs==" in done.stderr
