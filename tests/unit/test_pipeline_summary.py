"""What a card says of champion, endpoint, drift and data, from XComs in a database that Airflow's own models wrote."""

import json

import pytest
from airflow.models.dagrun import DagRun

from airflow_ml_provider.operators import (
    ApproveOperator,
    MonitorOperator,
    RegisterOperator,
    ServeOperator,
    SourceOperator,
    TrainOperator,
)
from airflow_ml_provider.plugin.card_parts import SUMMARY_RUNS
from airflow_ml_provider.plugin.home import HomeQuery
from airflow_ml_provider.plugin.stage_facts import address_of
from tests.unit.test_home import home

TASKS = ("data", "train", "register", "approve", "serve", "drift")
GATE = {"passed": True, "reasons": ["rmse 12.1 < 20"]}
MODEL = {"name": "flights", "version": "3", "alias": "challenger", "gates": [GATE], "card": None}
APPROVAL = {"model": "flights", "version": "3", "approval": "approved", "approval_by": "ada", "promoted": True}
ENDPOINT = {
    "url": "http://flights.ml:8080",
    "model": "flights",
    "version": "3",
    "revision": "v3-abc",
    "champion": "3",
    "promoted": False,
}


def all_stages():
    data = SourceOperator(task_id="data", source="numbers", origin="s3://b/*.csv")
    train = TrainOperator(task_id="train", run="steps:train", inputs={"data": data.output})
    register = RegisterOperator(task_id="register", model_name="flights", model=train.output["model"])
    approve = ApproveOperator(task_id="approve", model=register.output["model"])
    serve = ServeOperator(task_id="serve", model=register.output["model"])
    drift = MonitorOperator(task_id="drift", reference=data.output, current=data.output)
    register >> approve >> serve >> drift


@pytest.fixture
def flights(world):
    world.dag("flights", build=all_stages)
    return world


def run(world, number, **facts):
    world.run("flights", number, **dict.fromkeys(TASKS, "success"))
    for place, (task, said) in enumerate(facts.items()):
        world.said("flights", number, task, minutes=place, **said)


def summary(session, **given):
    (card,) = home(session, {"flights"}, HomeQuery(), **given).pipelines
    return card.summary


def test_a_pipeline_that_did_everything(session, flights):
    claim = {"number": 4, "objects": 42, "newest": "2026-11-30T11:00:00+00:00", "more": 5, "busy": 1}
    run(
        flights,
        1,
        data={"claim": claim},
        register={"model": MODEL},
        approve={"approval": APPROVAL},
        serve={"endpoint": ENDPOINT},
        drift={
            "drift": {"drifted": ["delay"], "scores": {"delay": 0.4}},
            "alarm": {"raised": True, "reasons": ["drifted_columns 1 < 1"], "told": True},
        },
    )
    found = summary(session)
    (champion,), (endpoint,), (drift,), (data,) = found.champions, found.endpoints, found.drift, found.data
    assert (champion.model, champion.version, champion.by, champion.gate) == ("flights", "3", "ada", ["rmse 12.1 < 20"])
    assert (champion.task_id, champion.run_id) == ("approve", "r1"), "serving it later does not promote it again"
    assert (endpoint.url, endpoint.version, endpoint.run_id) == ("http://flights.ml:8080", "3", "r1")
    assert (drift.raised, drift.drifted, drift.reasons) == (True, ["delay"], ["drifted_columns 1 < 1"])
    assert (data.objects, data.newest, data.waiting) == (42, "2026-11-30T11:00:00+00:00", 6)
    assert (champion.at < endpoint.at < drift.at) is True


def test_the_last_run_that_says_something_counts(session, flights):
    run(flights, 1, register={"model": {**MODEL, "alias": "champion"}})
    run(flights, 2, register={"model": {**MODEL, "version": "4"}})
    run(flights, 3)
    (champion,) = summary(session).champions
    assert (champion.version, champion.run_id) == ("3", "r1"), "version 4 is a challenger"
    run(flights, 4, serve={"endpoint": {**ENDPOINT, "version": "4", "champion": "4"}})
    (champion,) = summary(session).champions
    assert (champion.version, champion.task_id, champion.by) == ("4", "serve", "")


def test_a_run_that_was_cleared_later_said_it_last(session, flights):
    run(flights, 1, serve={"endpoint": ENDPOINT})
    run(flights, 2, serve={"endpoint": {**ENDPOINT, "version": "4", "champion": "4"}})
    session.query(DagRun).filter_by(run_id="r1").one()
    flights.said("flights", 1, "register", minutes=500, model={**MODEL, "alias": "champion"})
    assert [found.version for found in summary(session).champions] == ["3"]


def test_an_approved_version_that_never_served_is_no_champion(session, flights):
    run(flights, 1, register={"model": MODEL}, approve={"approval": {**APPROVAL, "promoted": False}})
    assert summary(session).champions == []


def test_a_champion_that_was_set_by_hand_is_not_what_serves(session, flights):
    run(flights, 1, serve={"endpoint": {**ENDPOINT, "champion": "7"}})
    found = summary(session)
    assert (found.champions, [each.version for each in found.endpoints]) == ([], ["3"])


def test_runs_that_change_nothing_leave_since_when_and_by_whom(session, flights):
    champion = {**MODEL, "alias": "champion"}
    run(flights, 1, register={"model": MODEL}, approve={"approval": APPROVAL})
    for number in range(2, 5):
        run(
            flights,
            number,
            register={"model": {**champion, "promoted": False}},
            serve={"endpoint": ENDPOINT},
        )
    (champion,) = summary(session).champions
    assert (champion.run_id, champion.by) == ("r1", "ada")


def test_two_models_of_one_pipeline_are_two_champions(session, flights):
    for number, name in ((1, "flights"), (2, "weather")):
        gate = {"passed": True, "reasons": [f"of {name}"]}
        model = {**MODEL, "name": name, "version": "1", "alias": "champion", "promoted": True, "gates": [gate]}
        run(flights, number, register={"model": model})
    found = summary(session).champions
    assert [(each.model, each.version, each.run_id, each.gate) for each in found] == [
        ("flights", "1", "r1", ["of flights"]),
        ("weather", "1", "r2", ["of weather"]),
    ]


def test_a_rejected_version_is_no_champion(session, flights):
    run(flights, 1, register={"model": MODEL}, approve={"approval": {**APPROVAL, "approval": "rejected"}})
    assert summary(session).champions == []


def test_no_further_back_than_fifty_runs(session, flights):
    run(flights, 0, serve={"endpoint": ENDPOINT})
    for number in range(1, SUMMARY_RUNS):
        flights.run("flights", number)
    assert len(summary(session).endpoints) == 1
    flights.run("flights", SUMMARY_RUNS)
    assert summary(session).endpoints == []


def test_who_may_not_read_xcoms_sees_none(session, flights):
    run(flights, 1, serve={"endpoint": ENDPOINT})
    found = summary(session, with_xcoms=False)
    assert found.model_dump() == {"champions": [], "endpoints": [], "drift": [], "data": []}


def test_the_output_of_another_kind_of_stage_says_nothing(session, flights):
    run(flights, 1, train={"model": {**MODEL, "alias": "champion"}, "endpoint": ENDPOINT, "approval": APPROVAL})
    assert summary(session).champions == []


def test_what_airflows_api_wrote_is_read_too(session, flights):
    run(flights, 1, serve={"endpoint": json.dumps(ENDPOINT)})
    assert summary(session).endpoints[0].version == "3"


ODD = [None, 1, "x", [], [[]], {}, {"name": [], "version": {}}, {"url": {"a": 1}, "model": True, "version": True}]


@pytest.mark.parametrize("odd", ODD)
def test_odd_xcoms_end_nothing(session, flights, odd):
    both = {"drift": odd, "alarm": odd}
    run(
        flights,
        1,
        data={"claim": odd},
        register={"model": odd},
        approve={"approval": odd},
        serve={"endpoint": odd},
        drift=both,
    )
    found = summary(session)
    assert (found.champions, found.endpoints) == ([], [])
    assert not any(each.raised or each.drifted or each.reasons for each in found.drift)
    assert not any(each.objects or each.newest or each.waiting for each in found.data)


def test_a_huge_xcom_is_left_out(session, flights):
    run(flights, 1, register={"model": {**MODEL, "alias": "champion", "more": "x" * 70_000}})
    assert summary(session).champions == []


def test_texts_are_one_line_and_short(session, flights):
    version = {**ENDPOINT, "version": "3\n\x1b[2J" + "9" * 999}
    run(flights, 1, serve={"endpoint": version})
    (endpoint,) = summary(session).endpoints
    assert endpoint.version.startswith("3 999")
    assert len(endpoint.version) == 200


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://a:80/b?c=d", True),
        ("https://a", True),
        ("javascript:alert(1)", False),
        ("JavaScript://a/%0aalert(1)", False),
        ("data:text/html,<script>", False),
        ("http://user:word@a", False),
        ("//a", False),
        ("http://", False),
        ("http://[::1", False),
        ("http://a\nb", False),
        (["http://a"], False),
    ],
)
def test_only_addresses_of_the_web_are_links(address, shown):
    assert bool(address_of(address)) is shown
