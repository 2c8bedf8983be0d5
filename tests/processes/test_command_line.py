"""The command line as a user types it, in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from airflow_ml_provider.cli.pipelines.params import patch_of
from airflow_ml_provider.cli.pipelines.validate import Checked, Format, report
from airflow_ml_provider.spec.problems import Problem

ROOT = Path(__file__).parents[2]
AIRFLOW_ML = Path(sys.executable).parent / "airflow-ml"
GOOD = """\
pipeline: good
defaults: {retries: 2}
environments:
  prod:
    runner: kubernetes
    stages: {b: {retries: null, timeout: 1h}}
stages:
  a: {kind: container, command: [x], outputs: {out: file}}
  b: {kind: container, command: [y, "${HOME}", "${env:NOPE}"], inputs: {data: a.out}, retries: 5}
  c: {kind: container, command: [z], needs: [b]}
"""


def airflow_ml(*arguments, cwd, **variables):
    command = [str(AIRFLOW_ML), *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200", **variables}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


@pytest.fixture
def two_files(folder):
    (folder / "bad.yaml").write_text("pipeline: bad\nstages:\n  a: {kind: trian}\n  b: {kind: container}\n")
    return folder


def test_validate_reports_every_mistake_of_every_file(two_files):
    done = airflow_ml("validate", cwd=two_files)
    assert done.returncode == 1
    assert done.stdout == "good.yaml: good, 3 stages, no mistakes\n"
    assert "bad.yaml:3:7: stages.a.kind: unknown kind 'trian'" in done.stderr
    assert "bad.yaml:4:3: stages.b: nothing to run" in done.stderr
    assert done.stderr.endswith("2 mistakes in 1 of 2 files\n")
    assert "\x1b[" not in done.stdout + done.stderr


def test_validate_for_programs(two_files):
    found = json.loads(airflow_ml("validate", "--json", cwd=two_files).stdout)
    assert found["mistakes"] == 2
    problem = found["files"][0]["problems"][0]
    assert (problem["file"], problem["line"], problem["column"]) == ("bad.yaml", 3, 7)
    github = airflow_ml("validate", "--format", "github", cwd=two_files).stdout.splitlines()
    assert github[0].startswith("::error file=bad.yaml,line=3,col=7::stages.a.kind: unknown kind 'trian'")
    sarif = json.loads(airflow_ml("validate", "--format", "sarif", cwd=two_files).stdout)
    place = sarif["runs"][0]["results"][1]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "bad.yaml"}, "region": {"startLine": 4, "startColumn": 3}}
    refused = airflow_ml("validate", "--format", "xml", cwd=two_files)
    assert (refused.returncode, refused.stderr) == (
        2,
        "airflow-ml: --format 'xml': allowed are text, json, github, sarif\n",
    )


def test_a_text_in_an_annotation_cannot_begin_another_one(capsys):
    problem = Problem("a,b:c.yaml", 3, 7, "", "50% of it\n::error::is mine")
    report([Checked("a,b:c.yaml", "", 0, (problem,))], style=Format.GITHUB)
    assert capsys.readouterr().out == ("::error file=a%2Cb%3Ac.yaml,line=3,col=7::50%25 of it%0A::error::is mine\n")


def test_strict_makes_mistakes_of_warnings(folder):
    (folder / "good.yaml").write_text(GOOD + "  d: {kind: ingest, uri: x}\n")
    done = airflow_ml("validate", cwd=folder)
    assert done.returncode == 0
    assert "good.yaml:11:3: warning: stages.d: no stage uses d.data" in done.stderr
    assert airflow_ml("validate", "--strict", cwd=folder).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["validate", "nowhere"], "airflow-ml: nowhere does not exist"),
        (["validate", "empty"], "airflow-ml: empty holds no pipeline: neither NAME.yaml nor NAME/pipeline.yaml"),
        (["plan", "."], "airflow-ml: . holds 2 pipelines; name one of them: bad.yaml, good.yaml"),
        (["graph", "good.yaml", "--format", "png"], "airflow-ml: --format 'png': allowed are mermaid, svg"),
        (["run", "good.yaml", "--param", "x"], "airflow-ml: --param 'x': write NAME=VALUE"),
        (["import", "good.yaml"], "airflow-ml: good.yaml is neither a dag-factory YAML"),
        (["init", "--name", "a b"], "airflow-ml: name 'a b' is not allowed"),
    ],
)
def test_a_wrong_call_is_reported_in_one_line(two_files, arguments, says):
    (two_files / "empty").mkdir()
    done = airflow_ml(*arguments, cwd=two_files)
    assert done.returncode == 2
    assert done.stderr.startswith(says)
    assert done.stdout == ""


def test_render_takes_in_environment_and_defaults(folder):
    base = yaml.safe_load(airflow_ml("render", cwd=folder).stdout)
    assert {name: stage["retries"] for name, stage in base["stages"].items()} == {"a": 2, "b": 5, "c": 2}
    assert "runner" not in base
    prod = yaml.safe_load(airflow_ml("render", "--env", "prod", cwd=folder).stdout)
    assert prod["runner"] == "kubernetes"
    assert prod["stages"]["b"]["retries"] == 2
    assert prod["stages"]["b"]["timeout"] == "1h"
    assert prod["stages"]["b"]["command"] == ["y", "${HOME}", "${env:NOPE}"]
    assert airflow_ml("render", cwd=folder, AIRFLOW__ML__ENVIRONMENT="prod").stdout == yaml.safe_dump(
        prod, sort_keys=False, width=120
    )


def test_render_explains_where_each_value_comes_from(folder):
    lines = airflow_ml("render", "--env", "prod", "--explain", cwd=folder).stdout.splitlines()
    places = {line.partition(":")[0]: line.partition("# ")[2] for line in lines}
    assert places["stages.a.retries"] == "good.yaml:2 (defaults)"
    assert places["stages.b.retries"] == "good.yaml:2 (defaults)"
    assert places["stages.b.timeout"] == "good.yaml:6 (environments.prod)"
    assert places["runner"] == "good.yaml:5 (environments.prod)"
    assert places["stages.c.needs"] == "good.yaml:10"


def test_plan_says_what_would_run(folder):
    done = airflow_ml("plan", cwd=folder)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[1][:4] == ["1", "a", "container", "x"]
    assert "data = a.out" in done.stdout
    plan = json.loads(airflow_ml("plan", "--json", cwd=folder).stdout)
    assert [stage["stage"] for stage in plan["stages"]] == ["a", "b", "c"]
    assert plan["stages"][1]["after"] == ["a"]


def test_plan_shows_a_command_as_it_is(folder):
    (folder / "good.yaml").write_text(
        'pipeline: good\nstages:\n  a: {kind: container, command: [sh, -c, "ls [/tmp] | grep [a-z]*"]}\n'
    )
    assert "sh -c ls [/tmp] | grep [a-z]*" in airflow_ml("plan", cwd=folder).stdout


def test_two_files_for_one_pipeline_are_a_mistake(folder):
    (folder / "good").mkdir()
    shutil.copy(folder / "good.yaml", folder / "good" / "pipeline.yaml")
    done = airflow_ml("validate", cwd=folder)
    assert done.returncode == 1
    assert "good.yaml: good/pipeline.yaml stands for the pipeline 'good' too; rename one" in done.stderr


def test_an_environments_file_is_checked_with_its_pipeline(folder):
    (folder / "good.test.yaml").write_text("stages: {a: {retrys: 3}}\n")
    done = airflow_ml("validate", "good.test.yaml", cwd=folder)
    assert "good.test.yaml:1:14: stages.a.retrys: unknown key 'retrys'" in done.stderr
    # Without a name, every environment is looked into.
    assert "good.test.yaml:1:14" in airflow_ml("validate", cwd=folder).stderr
    assert airflow_ml("validate", "--env", "prod", cwd=folder).returncode == 0
    refused = airflow_ml("validate", "--env", "a/b", cwd=folder)
    assert (refused.returncode, "'a/b' is not an environment's name" in refused.stderr) == (1, True)
    (folder / "gone.prod.yaml").write_text("retries: 1\n")
    orphan = airflow_ml("validate", "gone.prod.yaml", cwd=folder)
    assert "a dot in the name says that the file changes gone.yaml for an environment" in orphan.stderr


@pytest.mark.parametrize("command", ["validate", "plan", "render", "graph", "run"])
def test_an_environment_that_no_pipeline_has_is_refused(folder, command):
    done = airflow_ml(command, "--env", "prodd", cwd=folder)
    assert done.returncode == 2
    assert "no pipeline here has an environment 'prodd'; there is prod; did you mean 'prod'?" in done.stderr


@pytest.mark.parametrize(
    ("given", "patch"),
    [
        ("x=3", {"params": {"x": 3}}),
        ("x=2024-01-31", {"params": {"x": "2024-01-31"}}),
        ("x=", {"params": {"x": ""}}),
        ("x=null", {"params": {"x": None}}),
        ("x=1.0e-3", {"params": {"x": 0.001}}),
        ("a.x=[1, 2]", {"stages": {"a": {"params": {"x": [1, 2]}}}}),
        ("x=a=b", {"params": {"x": "a=b"}}),
    ],
)
def test_a_param_is_read_as_in_the_file(given, patch):
    assert patch_of([given]) == patch


@pytest.mark.parametrize("given", ["x=010", "x=1e-3", "x=[", "x=!!int ''"])
def test_a_param_with_two_readings_is_refused(given):
    with pytest.raises(typer.Exit):
        patch_of([given])


def test_graph_draws_data_and_order(folder):
    mermaid = airflow_ml("graph", cwd=folder).stdout
    assert "    a -- out --> b\n" in mermaid
    assert "    b -.-> c\n" in mermaid
    svg = airflow_ml("graph", "--format", "svg", cwd=folder).stdout
    assert svg.startswith("<svg ")
    assert svg.count("<rect ") == 3


def test_schema_is_the_shipped_one_where_nothing_else_is_installed(folder):
    import jsonschema

    schema = json.loads(airflow_ml("schema", cwd=folder).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith("/1/pipeline.schema.json")


def test_init_writes_a_pipeline_without_mistakes_and_overwrites_nothing(tmp_path):
    written = airflow_ml("init", "--name", "churn", "--image", "ml/stage:1", cwd=tmp_path)
    assert written.returncode == 0
    assert (
        airflow_ml("validate", "--strict", cwd=tmp_path).stdout == "churn/pipeline.yaml: churn, 4 stages, no mistakes\n"
    )
    assert "image: ml/stage:1" in (tmp_path / "churn" / "pipeline.yaml").read_text()
    assert (tmp_path / "churn" / "pipeline.yaml").read_text().startswith("# yaml-language-server: $schema=../")
    assert (tmp_path / "pipeline.schema.json").is_file()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = airflow_ml("init", "--name", "churn", cwd=tmp_path)
    assert again.returncode == 2
    assert "churn/pipeline.yaml" in again.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert airflow_ml("init", "--name", "other", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("name", ["2024", "yes", "1e3", "a-b", "null"])
def test_any_name_that_is_allowed_gives_a_pipeline_without_mistakes(tmp_path, name):
    assert airflow_ml("init", "--name", name, cwd=tmp_path).returncode == 0
    done = airflow_ml("validate", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert airflow_ml("init", "load_pipelines.py/x", cwd=tmp_path).stderr.startswith("airflow-ml: ")


def test_import_takes_over_a_kubeflow_pipeline(tmp_path):
    shutil.copy(ROOT / "tests" / "imported" / "kubeflow.yaml", tmp_path)
    done = airflow_ml("import", "kubeflow.yaml", "--folder", "out", cwd=tmp_path)
    assert done.returncode == 0
    pipeline = yaml.safe_load((tmp_path / "out" / "churn_training" / "pipeline.yaml").read_text())
    train = pipeline["stages"]["train"]
    assert (train["run"], train["inputs"], train["params"]) == (
        "steps.train:train",
        {"data": "load.data"},
        {"depth": 6},
    )
    assert train["resources"] == {"cpu": "2", "memory": "4Gi"}
    code = (tmp_path / "out" / "churn_training" / "steps" / "train.py").read_text()
    assert "def train(data: Path, model: Path, depth: int = 3):" in code
    assert "kfp" not in code
    assert "left out: task 'train': it installs scikit-learn at its start" in done.stderr
    assert "left out: task 'evaluate': the metrics 'metrics'" in done.stderr
    assert "needs 'metrics'" in done.stderr


def test_import_takes_over_a_dag_factory_file(tmp_path):
    shutil.copy(ROOT / "tests" / "imported" / "dag_factory.yml", tmp_path)
    done = airflow_ml("import", "dag_factory.yml", cwd=tmp_path)
    assert done.returncode == 0
    pipeline = yaml.safe_load((tmp_path / "churn" / "pipeline.yaml").read_text())
    assert pipeline["schedule"] == "0 3 * * *"
    assert pipeline["stages"]["extract"]["command"] == ["bash", "-c", "python extract.py --day {{ ds }}"]
    train = pipeline["stages"]["train_model"]
    assert train["command"] == ["python", "-m", "churn.train", "--depth", "6"]
    assert train["needs"] == ["extract"]
    assert train["pod"] == {"namespace": "ml", "service_account": "ml-stage", "env": {"LEVEL": "info"}}
    assert "left out: task 'check': there is no stage for PythonOperator" in done.stderr
    assert "left out: task 'train-model': is_delete_operator_pod" in done.stderr
    assert "left out: catchup of the DAG" in done.stderr
    assert airflow_ml("validate", "churn", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("text", ["a: &a [*a]", "{", "- 1", "x: {tasks: 3}", "pipelineInfo: 1\nroot: 2", "a" * 100])
def test_import_of_anything_else_is_no_traceback(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    done = airflow_ml("import", "x.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("airflow-ml: x.yaml ")


def test_help_is_there_for_every_command_with_an_example(tmp_path):
    listed = airflow_ml("--help", cwd=tmp_path)
    assert listed.returncode == 0
    for command in (
        "init",
        "validate",
        "schema",
        "render",
        "plan",
        "run",
        "graph",
        "manifests",
        "reap",
        "doctor",
        "import",
    ):
        assert command in listed.stdout
        assert "airflow-ml" in airflow_ml(command, "--help", cwd=tmp_path).stdout
