"""A kind that another package brings: in the schema, in errors, in the command line, in a DAG and in a run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "packages" / "row_count"
BIN = Path(sys.executable).parent
PIPELINE = """\
pipeline: counted
tracking: false
stages:
  ingest: {kind: ingest, uri: "data/*.csv"}
  count: {kind: row_count, data: ingest.data, at_least: 2}
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment of a process that has the package installed."""
    site = tmp_path_factory.mktemp("site")
    uv = [str(BIN / "uv"), "pip", "install", "--quiet", "--python", sys.executable, "--no-deps"]
    subprocess.run([*uv, "--target", str(site), str(PACKAGE)], check=True)
    return {**os.environ, "PYTHONPATH": str(site)}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "counted.yaml").write_text(PIPELINE)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("x\n1\n2\n3\n")
    return tmp_path


def airflow_ml(*arguments, folder, environment):
    command = [str(BIN / "airflow-ml"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_it_is_in_the_schema_and_checked_like_the_others(folder, environment):
    schema = json.loads(airflow_ml("schema", folder=folder, environment=environment).stdout)
    assert "row_count" in schema["$defs"]["Stage"]["properties"]["kind"]["enum"]
    assert schema["$defs"]["StageRowCount"]["properties"]["at_least"]["examples"] == [1000]
    good = airflow_ml("validate", folder=folder, environment=environment)
    assert (good.returncode, good.stdout) == (0, "counted.yaml: counted, 2 stages, no mistakes\n")
    (folder / "counted.yaml").write_text(PIPELINE.replace("at_least", "at_leest"))
    bad = airflow_ml("validate", folder=folder, environment=environment)
    assert "counted.yaml:5:47: stages.count.at_leest: unknown key 'at_leest'" in bad.stderr
    assert "did you mean 'at_least'?" in bad.stderr
    (folder / "counted.yaml").write_text(PIPELINE.replace("row_count", "row_cuont"))
    assert "did you mean 'row_count'?" in airflow_ml("validate", folder=folder, environment=environment).stderr


def test_it_is_unknown_where_its_package_is_not(folder):
    done = airflow_ml("validate", folder=folder, environment=dict(os.environ))
    assert done.returncode == 1
    assert "unknown kind 'row_count'; known are ingest, validate" in done.stderr


def test_its_body_travels_by_digest_and_runs(folder, environment):
    done = airflow_ml("run", "--json", folder=folder, environment=environment)
    assert done.returncode == 0, done.stderr
    count = json.loads(done.stdout)["stages"]["count"]
    assert (count["state"], count["metrics"]) == ("success", {"rows": 3.0})
    report = Path(count["outputs"]["counts"]["uri"].removeprefix("file://"))
    assert json.loads(report.read_text()) == {"a.csv": 3}
    (folder / "data" / "a.csv").write_text("x\n1\n")
    failed = airflow_ml("run", folder=folder, environment=environment)
    assert failed.returncode == 1
    assert "count failed: row_count: 1 rows, at least 2 are wanted; is the data complete? [bad data" in failed.stderr


PACKED = """\
from airflow_ml_provider.kinds.code import packed_body
from airflow_ml_provider.kinds.lookup import stage_class
import zipfile, io
body = stage_class("row_count").body
print(body, sorted(zipfile.ZipFile(io.BytesIO(packed_body(body))).namelist()))
"""


def test_what_travels_is_the_package_alone(environment):
    done = subprocess.run([sys.executable, "-c", PACKED], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == (
        "airflow_ml_row_count.body:run ['airflow_ml_row_count/__init__.py', 'airflow_ml_row_count/body.py', "
        "'airflow_ml_row_count/kind.py', 'airflow_ml_row_count/operator.py', 'airflow_ml_row_count/spec.py', "
        "'airflow_ml_row_count/stage.py']"
    )
