import json
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

from airflow_ml_provider.dag_factory import build, load_dags, load_file
from airflow_ml_provider.dag_factory import folder as folder_module
from airflow_ml_provider.spec.loading import load as load_module
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.problems import SpecError

ROOT = Path(__file__).parents[2]
LOADER = ROOT / "example_dags" / "load_pipelines.py"


def test_references_become_dependencies():
    dag = load_dags(str(LOADER))["flight_delays"]
    assert {task.task_id: task.upstream_task_ids for task in dag.tasks if task.task_id != "finish"} == {
        "ingest": set(),
        "check": {"ingest"},
        "features": {"check"},
        "train": {"features"},
        "evaluate": {"train", "features"},
        "register": {"train", "evaluate"},
    }
    finish = dag.get_task("finish")
    assert finish.is_teardown
    assert len(finish.upstream_task_ids) == 6
    assert "kind: feature_engineering" in dag.doc_md


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "load.py").write_text(LOADER.read_text())
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(f"pipeline: {name}\nstages:\n  a: {{kind: container, command: [x]}}\n")
    return tmp_path


def test_a_broken_file_is_seen_and_hides_no_other(folder):
    before = load_dags(str(folder / "load.py"))
    assert sorted(before) == ["one", "two"]
    (folder / "two.yaml").write_text("pipeline: two\nstages:\n  a: {kind: contaner, command: [x]}\n")
    dags = load_dags(str(folder / "load.py"))
    assert dags["one"].tags == {"ml"}
    assert dags["two"].tags == {"ml", "broken"}
    assert "two.yaml:3:7: stages.a.kind: unknown kind 'contaner'" in dags["two"].doc_md
    assert dags["two"].schedule is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("start_date: 2024-02-30", "two.yaml:2:13: start_date: '2024-02-30' is not a valid timestamp"),
        ("retries: !!int abc", "two.yaml:2:10: retries: 'abc' is not a valid int"),
        ("retry_delay: 99999999999999d", "is too long"),
        ("params: {since: 2024-01-01}", "is a date, which JSON does not know"),
        ("params: {x: .nan}", "is not a JSON value"),
        ("store: ./here", "'./here' is not a store"),
        ("tracking: {conection: x}", "unknown key 'conection'; known are connection, experiment"),
        ("schedule: nonsense", "two.yaml:2:1: schedule: 'nonsense' is not a cron expression"),
        ("stages: {a: {kind: container, command: [x], outputs: {gate: file}}}", "'gate' is a reserved name"),
        ("stages: {a: {kind: container, command: [x], resources: {memory: lots}}}", "'lots' is not a quantity"),
        ("stages: {a: {kind: evaluate, command: [x], on_failure: warn}}", "on_failure: warn needs a gate"),
    ],
)
def test_no_mistake_of_one_file_reaches_another(folder, line, message):
    stages = "" if line.startswith("stages") else "\nstages: {a: {kind: container, command: [x]}}"
    (folder / "two.yaml").write_text(f"pipeline: two\n{line}{stages}\n")
    dags = load_dags(str(folder / "load.py"))
    assert dags["one"].tags == {"ml"}
    assert message in dags["two"].doc_md
    assert "two.yaml" in dags["two"].doc_md


def test_two_files_for_one_name_are_a_mistake(folder):
    (folder / "two").mkdir()
    (folder / "two" / "pipeline.yaml").write_text((folder / "two.yaml").read_text())
    assert "several files stand for the pipeline 'two'" in load_dags(str(folder / "load.py"))["two"].doc_md


def test_only_the_gates_that_judged_the_model_promote_it(tmp_path):
    def train(name):
        return {"kind": "train", "run": "m:f"}

    def evaluate(model):
        return {"kind": "evaluate", "run": "m:f", "inputs": {"model": f"{model}.model"}, "gate": {"rmse": "< 1"}}

    register = {"kind": "register", "model": "a.model", "name": "m", "needs": ["judge_a", "judge_b"]}
    stages = {"a": train("a"), "b": train("b"), "judge_a": evaluate("a"), "judge_b": evaluate("b"), "r": register}
    dag = build(PipelineSpec.model_validate({"pipeline": "p", "stages": stages}), base_folder=tmp_path)
    assert [gate.operator.task_id for gate in dag.get_task("r").gates] == ["judge_a"]


def test_a_worker_builds_only_the_dag_it_runs_and_reads_only_its_files(folder, monkeypatch):
    read = []
    original = load_module.read_yaml
    monkeypatch.setattr(load_module, "read_yaml", lambda path: read.append(path.name) or original(path))
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "two")
    (folder / "two.prod.yaml").write_text("retries: 3\n")
    dags = load_dags(str(folder / "load.py"), environment="prod")
    assert list(dags) == ["two"]
    assert dags["two"].get_task("a").retries == 3
    assert read == ["two.yaml", "two.prod.yaml"]
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "elsewhere")
    assert load_dags(str(folder / "load.py")) == {}


def test_the_environment_of_the_configuration_is_taken(folder, monkeypatch):
    (folder / "one.yaml").write_text(
        "pipeline: one\nenvironments: {prod: {retries: 4}}\nstages: {a: {kind: container, command: [x]}}\n"
    )
    (folder / "two.prod.yaml").write_text("stages: {b: {kind: container, command: [y], needs: [a]}}\n")
    plain = load_dags(str(folder / "load.py"))
    assert sorted(plain) == ["one", "two"]
    assert plain["one"].get_task("a").retries == 0
    assert "environments:" in plain["one"].doc_md
    monkeypatch.setenv("AIRFLOW__ML__ENVIRONMENT", "prod")
    dags = load_dags(str(folder / "load.py"))
    assert dags["one"].get_task("a").retries == 4
    assert "retries: 4" in dags["one"].doc_md
    assert "environments" not in dags["one"].doc_md
    assert dags["two"].task_dict.keys() == {"a", "b", "finish"}


def test_an_environments_file_without_its_pipeline_is_seen(folder):
    (folder / "three.v2.yaml").write_text("retries: 3\n")
    dag = load_dags(str(folder / "load.py"))["three.v2"]
    assert "a dot in the name says that the file changes" in dag.doc_md


def test_a_mistake_in_an_environments_file_names_that_file(folder):
    (folder / "two.prod.yaml").write_text("# production\nstages:\n  a: {retrys: 3}\n")
    dag = load_dags(str(folder / "load.py"), environment="prod")["two"]
    assert f"{folder}/two.prod.yaml:3:7: stages.a.retrys: unknown key 'retrys'" in dag.doc_md
    assert "    3 |   a: {retrys: 3}" in dag.doc_md


def test_a_second_parse_is_the_same_and_a_change_is_taken(folder):
    def parsed():
        dags = load_dags(str(folder / "load.py"))
        return {name: json.dumps(DagSerialization.to_dict(dag), sort_keys=True) for name, dag in dags.items()}

    first = parsed()
    assert parsed() == first
    (folder / "two.yaml").write_text("pipeline: two\nstages:\n  a: {kind: container, command: [other]}\n")
    second = parsed()
    assert second["one"] == first["one"]
    assert second["two"] != first["two"]
    (folder / "one.yaml").unlink()
    assert parsed() == {"two": second["two"]}


def test_one_loader_for_one_file_raises_its_mistakes(folder):
    assert list(load_file(folder / "one.yaml")) == ["one"]
    (folder / "one.yaml").write_text("pipeline: one\nstages: {}\n")
    with pytest.raises(SpecError, match=r"one.yaml:2:1: stages: at least 1 is wanted here, not 0"):
        load_file(folder / "one.yaml")


def test_a_pipeline_in_python_is_the_same_dag(folder):
    spec = PipelineSpec.model_validate({"pipeline": "one", "stages": {"a": {"kind": "container", "command": ["x"]}}})
    from_yaml = load_dags(str(folder / "load.py"))["one"]
    from_python = build(spec, base_folder=folder)
    assert from_python.task_dict.keys() == from_yaml.task_dict.keys()
    assert from_python.get_task("a").command == from_yaml.get_task("a").command == ["x"]


def test_fields_reach_the_operator(tmp_path):
    stage = {
        "kind": "train",
        "run": "m:f",
        "retries": 2,
        "retry_delay": "5s",
        "timeout": "2h",
        "image": "ml/stage:1",
        "resources": {"cpu": 2, "memory": "4Gi", "gpu": 1},
        "params": {"depth": 4},
        "doc": "Trains.",
    }
    spec = PipelineSpec.model_validate(
        {
            "pipeline": "p",
            "store": "s3://artifacts/x",
            "schedule": "@daily",
            "tracking": {"connection": "c", "experiment": "e"},
            "stages": {"train": stage},
        }
    )
    dag = build(spec, base_folder=tmp_path)
    task = dag.get_task("train")
    assert (task.retries, task.retry_delay.total_seconds(), task.execution_timeout.total_seconds()) == (2, 5, 7200)
    assert (task.image, task.store, task.mlflow_conn_id, task.experiment) == (
        "ml/stage:1",
        "s3://artifacts/x",
        "c",
        "e",
    )
    assert task.container_resources.requests == {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"}
    assert task.container_resources.limits == {"memory": "4Gi", "nvidia.com/gpu": "1"}
    assert task.hyperparameters == {"depth": 4}
    assert dag.start_date is not None
    assert not dag.catchup


def test_other_yaml_files_next_to_the_pipelines_are_none(folder):
    (folder / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nspec: {containers: [{name: base}]}\n")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "pipeline.yaml").write_text("x: 1\n")
    (folder / "empty.yaml").write_text("")
    assert sorted(load_dags(str(folder / "load.py"))) == ["empty", "one", "two"]


def test_a_link_stands_for_its_own_name(folder, tmp_path_factory):
    data = tmp_path_factory.mktemp("..data")
    (data / "three.yaml").write_text("pipeline: three\nstages: {a: {kind: container, command: [x]}}\n")
    (folder / "three").mkdir()
    (folder / "three" / "pipeline.yml").symlink_to(data / "three.yaml")
    assert "broken" not in load_dags(str(folder / "load.py"))["three"].tags


def test_a_continuous_pipeline_runs_once_at_a_time(folder):
    text = 'pipeline: two\nschedule: "@continuous"\nstages: {a: {kind: container, command: [x]}}\n'
    (folder / "two.yaml").write_text(text)
    dag = load_dags(str(folder / "load.py"))["two"]
    assert (dag.max_active_runs, dag.tags) == (1, {"ml"})


def test_text_of_a_pipeline_cannot_leave_its_block_on_the_page(folder):
    (folder / "two.yaml").write_text(
        "pipeline: two\n# ~~~~~~~\n# <b>x</b>\nstages: {a: {kind: container, command: [x]}}\n"
    )
    assert load_dags(str(folder / "load.py"))["two"].doc_md.startswith("~~~~~~~~yaml\n")


def test_a_defect_while_one_file_is_read_does_not_reach_the_others(folder, monkeypatch):
    original = folder_module.load

    def load(path, **options):
        if path.stem == "two":
            raise ZeroDivisionError("a defect")
        return original(path, **options)

    monkeypatch.setattr(folder_module, "load", load)
    dags = load_dags(str(folder / "load.py"))
    assert dags["one"].tags == {"ml"}
    assert "please report it: ZeroDivisionError('a defect')" in dags["two"].doc_md
    long = "x" * 251
    (folder / f"{long}.yml").write_text("pipeline: nope\nstages: {}\n")
    assert "broken" in load_dags(str(folder / "load.py"))[long].tags


def test_airflows_own_variables_never_come_into_a_pipeline(folder, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "very-secret")
    (folder / "two.yaml").write_text(
        'pipeline: two\ndescription: x\nimage: "${env:AIRFLOW__CORE__FERNET_KEY}"\n'
        "stages: {a: {kind: container, command: [x]}}\n"
    )
    dag = load_dags(str(folder / "load.py"))["two"]
    assert "is Airflow's own and may be secret" in dag.doc_md
    assert "very-secret" not in json.dumps(DagSerialization.to_dict(dag))


def test_a_pipeline_that_an_operator_refuses_is_the_broken_one_alone(folder, monkeypatch):
    # Airflow lists what a file holds and each DAG that registered itself; of two with one id it takes any.
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "airflow.providers.fab.auth_manager.FabAuthManager")
    (folder / "refused.yaml").write_text(
        "pipeline: refused\nstages:\n"
        "  train: {kind: train, run: 'steps:train', outputs: {model: model}}\n"
        "  register: {kind: register, model: train.model, name: m}\n"
        "  approve: {kind: approve, model: register.model, approvers: [ada]}\n"
    )
    for _ in range(8):
        dags = DagBag(dag_folder=str(folder)).dags
        assert {name: "broken" in dag.tags for name, dag in dags.items()} == {
            "one": False,
            "two": False,
            "refused": True,
        }
