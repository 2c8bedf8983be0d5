"""A pipeline with its runs, from a database that Airflow's own models wrote."""

import pytest

from airflow_ml_provider.plugin.pipeline_page import pipeline_page
from tests.unit.test_pipeline_summary import APPROVAL, MODEL, TASKS, all_stages
from tests.unit.test_run_answers import MODEL as OUTPUT


@pytest.fixture
def flights(world):
    world.dag("flights", build=all_stages, description="Predicts\ndelays")
    return world


def page(session, *, limit=25, offset=0, with_xcoms=True, dag_id="flights", **more):
    return pipeline_page(session, dag_id=dag_id, limit=limit, offset=offset, with_xcoms=with_xcoms, **more)


def test_what_each_run_measured_made_and_said(session, flights):
    flights.run("flights", 1, **dict.fromkeys(TASKS, "success"))
    flights.said("flights", 1, "train", metrics={"loss": 0.5}, model=OUTPUT, cache={"reused": False, "reason": "first"})
    flights.said("flights", 1, "register", model=MODEL)
    flights.said("flights", 1, "approve", minutes=1, approval=APPROVAL)
    flights.run("flights", 2, train="failed")
    found = page(session)
    assert (found.name, found.description, found.total, found.schedule) == ("flights", "Predicts delays", 2, "")
    assert [(stage.task_id, stage.upstream) for stage in found.stages][:3] == [
        ("data", []),
        ("train", ["data"]),
        ("register", ["train"]),
    ]
    newest, oldest = found.runs
    assert (newest.run_id, newest.promoted, set(newest.stages)) == ("r2", [], {"train"})
    assert newest.stages["train"].state == "failed"
    train = oldest.stages["train"]
    assert (train.metrics, train.reuse.reason, [each.name for each in train.outputs]) == (
        {"loss": 0.5},
        "first",
        ["model"],
    )
    assert oldest.promoted == ["flights 3"]
    assert oldest.stages["approve"].said == {"Approval": "approved by ada"}
    assert [each.version for each in found.summary.champions] == ["3"]


def test_the_output_of_another_kind_promotes_nothing(session, flights):
    flights.run("flights", 1, **dict.fromkeys(TASKS, "success"))
    flights.said("flights", 1, "train", approval=APPROVAL, model={**MODEL, "alias": "champion"})
    assert page(session).runs[0].promoted == []


def test_pages_of_runs(session, flights):
    for number in range(5):
        flights.run("flights", number)
    found = page(session, limit=2, offset=2)
    assert ([run.run_id for run in found.runs], found.total, found.offset) == (["r2", "r1"], 5, 2)
    assert page(session, offset=9).runs == []


def test_runs_are_compared_whatever_their_page(session, flights):
    for number in range(5):
        flights.run("flights", number, train="failed" if number == 4 else "success")
    found = page(session, limit=2, offset=2, compared=["r4", "r0", "of another"])
    assert [run.run_id for run in found.compared] == ["r0", "r4"]
    assert found.last == {"train": "failed"}


def test_who_may_not_read_xcoms_sees_states_alone(session, flights):
    flights.run("flights", 1, train="success")
    flights.said("flights", 1, "train", metrics={"loss": 0.5})
    found = page(session, with_xcoms=False)
    (run,) = found.runs
    assert (found.reads_xcoms, page(session).reads_xcoms) == (False, True)
    assert (run.stages["train"].state, run.stages["train"].metrics) == ("success", {})


def test_a_dag_that_is_not_there(session, flights):
    assert page(session, dag_id="other") is None
