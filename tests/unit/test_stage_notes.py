"""What a serialized DAG notes of its stages is enough for a plan: neither its files nor its environment are needed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import DagSerialization

from airflow_ml_provider.cli.pipelines.plan import plan as plan_of_spec
from airflow_ml_provider.dag_factory.builder import build
from airflow_ml_provider.dag_factory.forecast import NotedPipeline, plan
from airflow_ml_provider.operators import ContainerOperator, FinishOperator, TrainOperator
from airflow_ml_provider.spec.loading.load import load
from airflow_ml_provider.tasks.stage_note import CODE_LIMIT_BYTES

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "flight_delays"
PIPELINE = """\
pipeline: noted
cache: true
tracking: false
params: {rows: 5}
stages:
  ingest: {kind: ingest, uri: "${env:NOTED_DATA}"}
  check: {kind: validate, inputs: {flights: ingest.data}, suite: suites/flights.json, cache: {ttl: 7d}}
  features:
    kind: feature_engineering
    run: steps.stages:features
    code: ./steps
    inputs: {flights: check.flights}
    outputs: {train: dataset}
    params: {rows: "{{ params.rows }}", seed: 3}
  later: {kind: container, run: "steps.stages:later", code: ./steps, params: {day: "{{ ds }}"}}
"""
CODE = """\
from pathlib import Path


def features(flights: Path, train: Path, *, rows: int, seed: int = 1): ...


def later(*, day: str): ...
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "noted"
    shutil.copytree(EXAMPLE, folder)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    (folder / "steps").mkdir()
    (folder / "steps" / "stages.py").write_text(CODE)
    monkeypatch.setenv("AIRFLOW__ML__STORE", f"file://{tmp_path / 'store'}")
    monkeypatch.setenv("NOTED_DATA", str(next((folder / "data").iterdir())))
    return folder


def parsed(folder):
    """Return a pipeline as Airflow's database has it: serialized, as JSON, and back."""
    loaded = load(folder / "pipeline.yaml")
    dag = build(loaded.spec, base_folder=folder)
    serialized = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
    return NotedPipeline.of(serialized, params=serialized.params.dump())


def verdicts(noted):
    return {stage["stage"]: stage["cache"] for stage in plan(noted)["stages"]}


def test_the_way_through_json_changes_nothing(folder):
    noted = parsed(folder)
    assert NotedPipeline.from_json(noted.to_json()) == noted


def test_a_dag_of_the_sdk_notes_what_a_serialized_one_does(tmp_path):
    with DAG("whole", schedule=None) as dag:
        TrainOperator(task_id="train", run="steps:train", params={"by": 1})
        TrainOperator.partial(task_id="mapped", run="steps:train").expand(hyperparameters=[{"by": 1}])
        FinishOperator(task_id="finish")
        EmptyOperator(task_id="of_airflow")
        EmptyOperator.partial(task_id="mapped_of_airflow").expand(doc=["a"])
    serialized = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
    found = NotedPipeline.of(dag, params={})
    assert found == NotedPipeline.of(serialized, params={})
    assert set(found.notes) == {"train", "mapped"}


def test_a_plan_needs_neither_files_nor_environment(folder, monkeypatch):
    noted = parsed(folder)
    with_files = plan(noted)
    data = Path(os.environ["NOTED_DATA"])
    elsewhere = folder.with_name("data")
    shutil.copytree(data.parent, elsewhere)
    shutil.rmtree(folder)
    # The data itself is looked at: what is ingested has changed, or it has not.
    data.parent.mkdir(parents=True)
    shutil.copy2(elsewhere / data.name, data)
    monkeypatch.delenv("NOTED_DATA")
    assert plan(noted) == with_files
    assert [stage["stage"] for stage in with_files["stages"]] == ["ingest", "later", "check", "features"]
    found = verdicts(noted)
    assert found["ingest"] == {"verdict": "runs", "reason": "no result of it was kept yet"}
    assert found["check"]["verdict"] == "unknown"
    assert "its hyperparameters is known only in a run: 'ds' is undefined" in found["later"]["reason"]


def test_the_rows_are_those_of_the_command(folder):
    spec = load(folder / "pipeline.yaml").spec
    said = {"stage", "kind", "runs", "after", "inputs", "outputs"}
    ours = {row["stage"]: {key: row[key] for key in said} for row in plan(parsed(folder))["stages"]}
    assert ours == {row["stage"]: {key: row[key] for key in said} for row in plan_of_spec(spec)}


def test_the_process_prints_the_same(folder):
    noted = parsed(folder)
    command = "from airflow_ml_provider.dag_factory.forecast import main; main()"
    run = subprocess.run(
        [sys.executable, "-P", "-c", command], input=noted.to_json(), capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == plan(noted)


def test_changed_code_is_another_note(folder):
    before = parsed(folder).notes["features"].files
    assert list(before) == ["./steps"]
    with (folder / "steps" / "stages.py").open("a") as file:
        file.write("\n# changed\n")
    assert parsed(folder).notes["features"].files != before


def test_the_suite_is_noted_by_its_content(folder):
    before = parsed(folder).notes["check"].files
    assert list(before) == ["suites/flights.json"]
    suite = folder / "suites" / "flights.json"
    suite.write_text(suite.read_text() + "\n")
    assert parsed(folder).notes["check"].files != before


def test_code_that_cannot_be_read_is_no_broken_dag(folder):
    loaded = load(folder / "pipeline.yaml")
    dag = build(loaded.spec, base_folder=folder)
    shutil.rmtree(folder / "steps")
    found = verdicts(NotedPipeline.of(dag, params=dag.params.dump()))["later"]
    assert found["verdict"] == "runs"
    assert "and would fail: code folder" in found["reason"]
    assert "does not exist" in found["reason"]


def test_large_code_is_not_read_at_each_parse(folder):
    with (folder / "steps" / "weights.bin").open("wb") as file:
        file.truncate(CODE_LIMIT_BYTES + 1)
    found = verdicts(parsed(folder))["later"]
    assert found == {
        "verdict": "unknown",
        "reason": "its code in './steps' has over 8 MiB, too much to be read at each parse",
    }


def note_of(**arguments):
    with DAG("noted", schedule=None) as dag:
        ContainerOperator(task_id="a", command=["true"], cache=True, runner="kubernetes", **arguments)
    dag.fileloc = "/dags/noted.py"
    return NotedPipeline.of(DagSerialization.from_dict(DagSerialization.to_dict(dag)), params={}).notes["a"]


@pytest.mark.parametrize(
    ("arguments", "image"),
    [
        ({"image": "ml/train:1"}, "ml/train:1"),
        ({"pod_template_dict": {"spec": {"containers": [{"name": "base", "image": "from/dict:1"}]}}}, "from/dict:1"),
        ({"pod_template_file": "TEMPLATE"}, "from/file:1"),
        ({}, "from/config:1"),
    ],
)
def test_the_image_is_that_of_the_pod(arguments, image, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__ML__IMAGE", "from/config:1")
    template = tmp_path / "pod.yaml"
    template.write_text("spec: {containers: [{name: base, image: from/file:1}]}")
    if "pod_template_file" in arguments:
        arguments = {"pod_template_file": str(template)}
    assert note_of(**arguments).image == image


def test_a_template_that_cannot_be_read_says_so(tmp_path):
    assert "cannot be read" in note_of(pod_template_file=str(tmp_path / "none.yaml")).unknown


def test_mapped_stages_are_known_in_a_run():
    with DAG("mapped", schedule=None) as dag:
        TrainOperator.partial(task_id="train", run="steps:train").expand(hyperparameters=[{"by": 1}])
    noted = NotedPipeline.of(DagSerialization.from_dict(DagSerialization.to_dict(dag)), params={})
    assert verdicts(noted) == {
        "train": {"verdict": "unknown", "reason": "it is mapped: its elements are known only in a run"}
    }


def test_an_input_out_of_reach_does_not_end_the_plan(folder):
    plain = json.loads(parsed(folder).to_json())
    plain["notes"]["features"]["arguments"]["inputs"] = {"flights": "gopher://x/y"}
    found = verdicts(NotedPipeline.from_json(json.dumps(plain)))
    assert found["features"]["verdict"] == "unknown"
    assert "gopher://x/_commits/y.json" in found["features"]["reason"]
    assert found["check"]["reason"] == "it depends on 'ingest', which runs"


def test_a_kind_that_is_not_installed(folder):
    noted = parsed(folder)
    plain = json.loads(noted.to_json())
    plain["notes"]["ingest"]["kind"] = "elsewhere"
    found = verdicts(NotedPipeline.from_json(json.dumps(plain)))["ingest"]
    assert found == {"verdict": "unknown", "reason": "no package that is installed here brings the kind 'elsewhere'"}


def noted(dag):
    """Return the notes of a DAG's stages, as they are in the serialized DAG."""
    return NotedPipeline.of(DagSerialization.from_dict(DagSerialization.to_dict(dag)), params=dag.params.dump()).notes


def odd_dag(rows, folder):
    """Return a DAG whose stages have arguments that are not JSON values."""
    with DAG("odd", schedule=None, params={"rows": 1}) as dag:
        dag.fileloc = str(folder / "odd.py")
        more = {"cache": True, "code": "steps", "run": "steps.stages:odd"}
        TrainOperator(task_id="path", hyperparameters={"where": Path("/x")}, **more)
        TrainOperator(task_id="object", hyperparameters={"rows": object()}, **more)
        TrainOperator(
            task_id="param", hyperparameters={"rows": dag.param("rows")}, inputs={"x": dag.param("rows")}, **more
        )
        TrainOperator(task_id="ignores", **{**more, "cache": {"ignore": rows}})
        other = ContainerOperator(task_id="other", command=["true"])
        ContainerOperator(task_id="computed", command=other.output["argv"])
    return dag


def test_whatever_the_arguments_are_the_dag_is_there_and_its_notes_do_not_change(tmp_path):
    steps = tmp_path / "steps"
    steps.mkdir()
    (steps / "stages.py").write_text("def odd(model, *, columns={'a', 'b'}, more=..., kept=(1, 2)): ...\n")
    first = noted(odd_dag({"params.seed", "params.day", "params.x"}, tmp_path))
    assert first == noted(odd_dag({"params.x", "params.day", "params.seed"}, tmp_path))
    assert first["ignores"].defaults == {"kept": [1, 2]}
    assert first["ignores"].arguments["cache"] == {"ignore": ["params.day", "params.seed", "params.x"]}
    assert first["path"].unknown == "its hyperparameters holds what is not a JSON value: PosixPath"
    assert first["param"].unknown == "it depends on a value that is computed in a run"
    assert first["param"].inputs == {"x": "(DagParam)"}
    assert first["computed"].runs == ""
    assert "0x" not in str(first)


def test_a_stage_that_cannot_be_noted_does_not_break_its_dag(monkeypatch):
    def broken(self):
        raise RuntimeError("odd")

    monkeypatch.setattr(ContainerOperator, "stage_note", broken)
    assert note_of(image="a:1").unknown == "it cannot be noted where its DAG is parsed (RuntimeError)"


def test_params_of_the_stage_come_before_those_of_the_dag(tmp_path):
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "stages.py").write_text("def train(model, *, rows: int): ...\n")
    with DAG("own", schedule=None, params={"rows": 1, "day": 2}) as dag:
        dag.fileloc = str(tmp_path / "own.py")
        TrainOperator(task_id="a", code="steps", run="steps.stages:train", cache=True, params={"rows": 10})
    assert noted(dag)["a"].params == {"rows": 10}


def test_a_decorated_stage_is_known_in_a_run():
    with DAG("decorated", schedule=None) as dag:

        @task.ml_stage(kind="train", cache=True)
        def fit(*, depth: int): ...

        fit(depth=3)
        fit.override(task_id="many").expand(depth=[1, 2])
    found = noted(dag)
    assert found["fit"].unknown == "what its function is called with is known only in a run"
    assert found["many"].unknown == "it is mapped: its elements are known only in a run"


def test_notes_do_not_say_where_the_dags_lie(folder):
    dag = build(load(folder / "pipeline.yaml").spec, base_folder=folder)
    dag.fileloc = str(folder.parent / "load.py")
    notes = "".join(getattr(one, "ml_stage", "") for one in dag.tasks)
    assert '"base_folder":"noted"' in notes
    assert f'"{folder.parent}' not in notes.replace(os.environ["NOTED_DATA"], "")
    noted_here = parsed(folder)
    assert noted_here.notes["features"].arguments["base_folder"] == str(folder)
