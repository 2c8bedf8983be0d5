"""A run with what its stages said, from a database that Airflow's own models wrote."""

import json
import math

import pytest
from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.providers.standard.operators.empty import EmptyOperator
from sqlalchemy import insert

from airflow_ml_provider.dag_factory.broken import broken_dag
from airflow_ml_provider.operators import EvaluateOperator, FinishOperator, TrainOperator
from airflow_ml_provider.plugin.pipeline_index import PIPELINES, pipeline_of
from airflow_ml_provider.plugin.run_page import INSTANCES, run_page
from airflow_ml_provider.plugin.stage_details import details_of, mlflow_run_of
from airflow_ml_provider.plugin.stage_facts import Fact, facts_of_runs
from airflow_ml_provider.runtime.stages.validate import summarise
from airflow_ml_provider.spec.problems import Problem
from tests.live.airflow_database import NOW

DIGEST = f"sha256:{'0' * 64}"
MODEL = {"uri": "s3://b/model", "digest": DIGEST, "type": "model", "size": 10}
MLFLOW_RUN = "0123456789abcdef0123456789abcdef"


def stages():
    train = TrainOperator(task_id="train", run="steps:train", outputs={"model": "model"})
    between = EmptyOperator(task_id="between")
    inputs = {"model": train.output["model"]}
    evaluate = EvaluateOperator(task_id="evaluate", run="steps:evaluate", inputs=inputs)
    mapped = TrainOperator.partial(task_id="mapped", run="steps:train").expand(hyperparameters=[{"by": 1}])
    train >> between >> evaluate >> mapped >> FinishOperator(task_id="finish")


@pytest.fixture
def flights(world):
    world.dag("flights", build=stages)
    return world


def page(session, number, *, with_xcoms=True):
    return run_page(session, dag_id="flights", run_id=f"r{number}", with_xcoms=with_xcoms)


def stage(found, task_id):
    (each,) = [each for each in found.stages if each.task_id == task_id]
    return each


def test_the_graph_leaves_out_what_is_no_stage(session, flights):
    flights.run("flights", 1, train="success", evaluate="running")
    found = page(session, 1)
    assert [(each.task_id, each.kind, each.upstream, each.state) for each in found.stages] == [
        ("train", "train", [], "success"),
        ("evaluate", "evaluate", ["train"], "running"),
        ("mapped", "train", ["evaluate"], ""),
    ]
    assert stage(found, "evaluate").inputs == {"model": "train.model"}
    assert (found.name, found.state, found.run_type, found.problem) == ("flights", "success", "manual", "")


def test_what_a_stage_said(session, flights):
    flights.run("flights", 1, train="success", evaluate="failed")
    flights.said(
        "flights",
        1,
        "train",
        model=MODEL,
        metrics={"loss": 0.5, "steps": 3},
        cache={"reused": True, "reason": "the same work as in r0"},
        mlflow_run_url=f"http://mlflow:5000/#/experiments/1/runs/{MLFLOW_RUN}",
        pod_name="train-abc",
        pod_namespace="ml",
    )
    flights.said(
        "flights",
        1,
        "evaluate",
        gate={"passed": False, "reasons": ["rmse 21 < 20"]},
        failure={"class": "GateFailedError", "message": "the model does not pass its gate"},
    )
    found = page(session, 1)
    (train,), (evaluate,) = stage(found, "train").instances, stage(found, "evaluate").instances
    assert (train.reuse.reused, train.reuse.reason) == (True, "the same work as in r0")
    assert train.metrics == {"loss": 0.5, "steps": 3}
    assert [(each.name, each.type, each.uri, each.size) for each in train.outputs] == [
        ("model", "model", "s3://b/model", 10)
    ]
    assert train.said == {"Pod": "ml/train-abc"}
    assert [link.name for link in train.links] == ["MLflow run"]
    assert train.has_curves
    assert (evaluate.failure.error, evaluate.failure.message) == ("GateFailedError", "the model does not pass its gate")
    (verdict,) = evaluate.verdicts
    assert (verdict.name, verdict.passed, verdict.reasons) == ("gate", False, ["rmse 21 < 20"])
    assert not evaluate.has_curves


def test_who_may_not_read_xcoms_sees_states_alone(session, flights):
    flights.run("flights", 1, train="success")
    flights.said("flights", 1, "train", metrics={"loss": 0.5})
    (train,) = stage(page(session, 1, with_xcoms=False), "train").instances
    assert (train.state, train.metrics) == ("success", {})


def test_of_a_mapped_stage_those_come_first_that_say_most(session, flights):
    states = ["success"] * (INSTANCES + 5)
    states[7], states[9] = "failed", "running"
    flights.run("flights", 1, mapped=states)
    found = stage(page(session, 1), "mapped")
    assert (found.count, found.state, len(found.instances)) == (INSTANCES + 5, "failed", INSTANCES)
    assert [each.map_index for each in found.instances][:3] == [7, 9, 0]


def test_the_runs_beside_it(session, flights):
    for number, name in ((1, "a"), (2, "b"), (2, "c"), (3, "d")):
        flights.run("flights", number, name=name)
    pages = [run_page(session, dag_id="flights", run_id=name, with_xcoms=True) for name in "abcd"]
    assert [(each.earlier, each.later) for each in pages] == [("", "b"), ("a", "c"), ("b", "d"), ("c", "")]


def test_many_elements_do_not_hide_what_other_stages_said(session, flights):
    flights.run("flights", 1, train="success", mapped=["success"] * 200)
    flights.said("flights", 1, "train", metrics={"loss": 0.5})
    run = session.query(DagRun).filter_by(run_id="r1").one()
    row = {"dag_run_id": run.id, "dag_id": "flights", "run_id": "r1", "task_id": "mapped", "timestamp": NOW}
    rows = [{**row, "map_index": index, "key": f"out_{key}", "value": "x"} for index in range(200) for key in range(30)]
    session.execute(insert(XComModel.__table__), rows)
    session.execute(
        insert(XComModel.__table__).values(**{**row, "map_index": 3, "key": "metrics", "value": {"loss": 3}})
    )
    session.commit()
    found = page(session, 1)
    assert stage(found, "train").instances[0].metrics == {"loss": 0.5}
    (third,) = [each for each in stage(found, "mapped").instances if each.map_index == 3]
    assert third.metrics == {"loss": 3}


def test_the_answer_is_bounded(session, flights):
    flights.run("flights", 1, train="success", evaluate="success")
    many = {f"out_{number}": "x" * 60_000 for number in range(100)}
    flights.said("flights", 1, "train", minutes=0, **many)
    flights.said("flights", 1, "evaluate", minutes=1, metrics={"rmse": 12})
    runs = [session.query(DagRun).one().id]
    facts = facts_of_runs(session, runs, tasks=["train", "evaluate"])
    assert sum(len(fact.value) for fact in facts if isinstance(fact.value, str)) < 4 * 1024 * 1024
    assert facts[-1].key == "metrics", "the last is kept"


def test_a_failure_of_a_task_that_was_cleared_is_not_shown(session, flights):
    for number, state in enumerate(("failed", "up_for_retry", "queued", "success")):
        flights.run("flights", number, train=state)
        flights.said("flights", number, "train", failure={"class": "E", "message": "m"})
    shown = [bool(stage(page(session, number), "train").instances[0].failure) for number in range(4)]
    assert shown == [True, True, False, False]


def test_curves_are_offered_where_there_is_an_mlflow(session, world):
    def build():
        TrainOperator(task_id="untracked", run="steps:train", mlflow_conn_id=None)
        TrainOperator(task_id="tracked", run="steps:train")
        TrainOperator.partial(task_id="mapped", run="steps:train", mlflow_conn_id="prod").expand(
            hyperparameters=[{"by": 1}]
        )

    world.dag("flights", build=build)
    world.run("flights", 1, untracked="success", tracked="success")
    for task in ("untracked", "tracked"):
        world.said("flights", 1, task, mlflow_run_url=f"http://m/#/experiments/1/runs/{MLFLOW_RUN}")
    found = page(session, 1)
    assert [stage(found, task).instances[0].has_curves for task in ("untracked", "tracked")] == [False, True]
    connections = {
        each.task_id: each.mlflow_conn_id for each in PIPELINES.pipelines(session, ["flights"])["flights"].stages
    }
    assert connections == {"untracked": "", "tracked": "mlflow_default", "mapped": "prod"}


def test_questions_of_this_run_alone(session, flights):
    for number in (1, 2):
        (asking,) = flights.run("flights", number, state="running", train="awaiting_input")
        flights.question(asking, f"Shall it, in {number}?")
    assert [each.subject for each in page(session, 2).questions] == ["Shall it, in 2?"]


def test_a_run_that_is_not_there(session, flights):
    assert page(session, 9) is None


def test_a_broken_pipeline_says_so(session, world):
    world.dag("flights", made=broken_dag("flights", [Problem("f.yaml", 3, 5, "stages.a.kind", "unknown kind")]))
    world.run("flights", 1)
    found = page(session, 1)
    assert found.stages == []
    assert found.problem.startswith("f.yaml:3:5: stages.a.kind: unknown kind")


def details(**values):
    facts = [
        Fact(dag_id="d", run_id="r", task_id="t", map_index=-1, key=key, value=value, at=NOW)
        for key, value in values.items()
    ]
    return details_of(facts)


ODD = [None, 1, "x", [], [[]], {}, {"reused": 1}, {"passed": "no"}, {"digest": 1}, {"digest": DIGEST, "uri": "\n"}]
KEYS = (
    "cache",
    "failure",
    "metrics",
    "gate",
    "validation",
    "alarm",
    "model",
    "endpoint",
    "approval",
    "claim",
    "canary",
)


@pytest.mark.parametrize("odd", ODD)
def test_odd_xcoms_say_nothing(odd):
    found = details(
        **dict.fromkeys((*KEYS, "canary", "drift", "pod_name", "pod_namespace", "mlflow_run_url", "out"), odd)
    )
    if odd not in ("x", 1):
        assert found["said"] == {}
    assert (found["reuse"], found["failure"], found["verdicts"], found["outputs"], found["links"]) == (
        *(None, None),
        *([], [], []),
    )


def test_metrics_are_numbers(session):
    assert details(metrics={"a": 1}, undefined_metrics={"loss": "NaN"})["metrics"] == {"a": 1, "loss": "NaN"}
    odd = {"nan": math.nan, "inf": math.inf, "yes": True, "text": "1", "long\x1b[2J": 1, "n": 10**400}
    assert details(metrics=odd)["metrics"] == {"long ": 1}
    json.dumps(details(metrics={"a": 1.5})["metrics"], allow_nan=False)


def test_what_a_validation_found():
    """As the body of a validate stage itself writes it."""
    results = [
        {"success": False, "expectation_config": {"type": "expect_age", "kwargs": {"column": "age"}}, "result": {}},
        {"success": True, "expectation_config": {"type": "expect_rows", "kwargs": {}}, "result": {}},
    ]
    summary = summarise({"success": False, "results": results}, suite_name="people")
    (verdict,) = details(validation=summary)["verdicts"]
    assert (verdict.name, verdict.passed) == ("checks", False)
    assert verdict.reasons == ["1 of 2 expectations met", "not met: expect_age on age"]


def test_the_last_steps_of_a_canary():
    steps = [{"percent": float(share), "error_rate": 0.0, "p95_seconds": 0.0123456} for share in (10, 50)]
    assert details(canary=steps)["said"] == {
        "Canary at 10 %": "error_rate 0, p95_seconds 0.01235",
        "Canary at 50 %": "error_rate 0, p95_seconds 0.01235",
    }


@pytest.mark.parametrize(
    ("url", "run"),
    [
        (f"http://m/#/experiments/1/runs/{MLFLOW_RUN}", MLFLOW_RUN),
        (f"http://m/#/experiments/1/runs/{MLFLOW_RUN}/artifacts", MLFLOW_RUN),
        ("http://m/#/experiments/1/runs/../../x", ""),
        (f"http://m/#/experiments/1/runs/{MLFLOW_RUN}0", ""),
        (None, ""),
        ([MLFLOW_RUN], ""),
    ],
)
def test_the_run_of_mlflow_that_an_address_is_of(url, run):
    assert mlflow_run_of(url) == run


def test_stages_know_their_connection():
    tasks = [{"__var": {"task_id": "a", "ml_stage": '{"kind": "train", "mlflow": "prod", "inputs": {"x": "b.c"}}'}}]
    (found,) = pipeline_of({"dag": {"tasks": tasks}}).stages
    assert (found.mlflow_conn_id, found.inputs) == ("prod", (("x", "b.c"),))
