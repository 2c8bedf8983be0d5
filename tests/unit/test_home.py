"""The cards of pipelines, from a database that Airflow's own models wrote."""

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from airflow_ml_provider.dag_factory.broken import broken_dag
from airflow_ml_provider.plugin import pipeline_index
from airflow_ml_provider.plugin.home import RUNS, HomeQuery
from airflow_ml_provider.plugin.home import home as home_page
from airflow_ml_provider.plugin.pipeline_index import PipelineIndex
from airflow_ml_provider.spec.problems import Problem
from tests.live.airflow_database import three_stages


def home(session, readable, query, *, with_xcoms=True):
    return home_page(session, readable, query, with_xcoms=with_xcoms)


def ids(answer):
    return [pipeline.dag_id for pipeline in answer.pipelines]


def test_only_dags_with_stages_that_the_user_may_read_are_shown(session, world):
    world.dag("mine")
    world.dag("theirs", tags=["secret"], owner="eve")
    world.dag("no_stages", build=lambda: EmptyOperator(task_id="a"))
    found = home(session, {"mine", "no_stages"}, HomeQuery())
    assert (ids(found), found.total, found.tags, found.owners) == (["mine"], 1, [], ["ada"])
    assert "theirs" not in found.model_dump_json()


def test_a_card_has_stages_in_order_and_the_newest_runs_with_their_states(session, world):
    world.dag("flights", tags=["ml", "air"], owner="ada, grace", description="Predicts\x1b[2Jdelays")
    for number in range(RUNS + 3):
        world.run(
            "flights",
            number,
            z_ingest="success",
            a_train=None,
            mapped=["success", "failed", "running"],
            finish="success",
        )
    (card,) = home(session, {"flights"}, HomeQuery()).pipelines
    assert [(stage.task_id, stage.kind) for stage in card.stages] == [
        ("z_ingest", "container"),
        ("a_train", "train"),
        ("mapped", "train"),
    ]
    assert [run.run_id for run in card.runs] == [f"r{number}" for number in range(RUNS + 2, 2, -1)]
    assert card.runs[0].stages == {"z_ingest": "success", "mapped": "failed"}
    assert (card.tags, card.owners) == (["air", "ml"], ["ada", "grace"])
    assert (card.description, card.schedule) == ("Predicts delays", "")


def test_what_waits_for_an_answer_comes_first(session, world):
    for name in ("a", "b", "c"):
        world.dag(name)
    (asking,) = world.run("c", 1, state="running", a_train="awaiting_input")
    world.question(asking, "Shall line 3\nbecome champion?")
    (answered,) = world.run("b", 1, a_train="success")
    world.question(answered)
    found = home(session, {"a", "b", "c"}, HomeQuery(limit=2))
    assert (ids(found), found.total, found.waiting) == (["c", "a"], 3, 1)
    (question,) = found.pipelines[0].questions
    assert (question.run_id, question.task_id, question.subject) == ("r1", "a_train", "Shall line 3 become champion?")
    assert ids(home(session, {"a", "b", "c"}, HomeQuery(limit=2, offset=2))) == ["b"]
    assert home(session, {"a"}, HomeQuery()).waiting == 0


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (HomeQuery(search="FLIGHT"), ["flights_a", "flights_b"]),
        (HomeQuery(search="%"), []),
        (HomeQuery(search="_"), ["flights_a", "flights_b"]),
        (HomeQuery(tag="air"), ["flights_a"]),
        (HomeQuery(tag="ai"), []),
        (HomeQuery(owner="grace"), ["flights_b"]),
        (HomeQuery(owner="gra"), []),
        (HomeQuery(state="failed"), ["flights_b"]),
        (HomeQuery(state="success"), ["flights_a"]),
        (HomeQuery(state="running"), []),
    ],
)
def test_filters(session, world, query, wanted):
    world.dag("flights_a", tags=["air"])
    world.dag("flights_b", owner="ada, grace")
    world.dag("other")
    world.run("flights_a", 1, state="failed")
    world.run("flights_a", 2)
    world.run("flights_b", 1, state="failed")
    found = home(session, {"flights_a", "flights_b", "other"}, query)
    assert (ids(found), found.total) == (wanted, len(wanted))


def test_a_version_of_a_dag_is_read_once(session, world, monkeypatch):
    world.dag("flights")
    world.dag("no_stages", build=lambda: EmptyOperator(task_id="a"))
    index, read, pipeline_of = PipelineIndex(), [], pipeline_index.pipeline_of

    def counted(data):
        read.append(data["dag"]["dag_id"])
        return pipeline_of(data)

    monkeypatch.setattr(pipeline_index, "pipeline_of", counted)
    for _ in range(3):
        assert list(index.pipelines(session, {"flights", "no_stages"})) == ["flights"]
    assert read == ["flights"], "the other one does not even name the package"


def test_a_new_version_is_seen(session, world):
    world.dag("flights", build=lambda: EmptyOperator(task_id="a"))
    index = PipelineIndex()
    assert index.pipelines(session, {"flights"}) == {}
    with DAG("flights", schedule=None) as dag:
        three_stages()
    world.version("flights", dag, number=2)
    assert list(index.pipelines(session, {"flights"})) == ["flights"]


def test_a_packed_dag_is_a_pipeline_too(session, world, monkeypatch):
    monkeypatch.setattr("airflow.models.serialized_dag._COMPRESS_SERIALIZED_DAGS", True)
    world.dag("flights")
    world.dag("no_stages", build=lambda: EmptyOperator(task_id="a"))
    assert list(PipelineIndex().pipelines(session, {"flights", "no_stages"})) == ["flights"]


def test_who_only_names_the_package_is_no_pipeline(session, world):
    world.dag(
        "talks", build=lambda: EmptyOperator(task_id="a", doc_md='see airflow_ml_provider.operators.train, "ml_stage"')
    )
    assert home(session, {"talks"}, HomeQuery()).total == 0


def test_a_pipeline_whose_file_has_mistakes_says_so(session, world):
    problems = [Problem("flights.yaml", 3, 5, "stages.a.kind", "unknown kind 'contaner'")]
    world.dag("flights", made=broken_dag("flights", problems))
    (card,) = home(session, {"flights"}, HomeQuery()).pipelines
    assert card.problem.startswith("flights.yaml:3:5: stages.a.kind: unknown kind 'contaner'")
    assert card.stages == []


@pytest.mark.parametrize("note", ["no json", "[]", "{}", "null"])
def test_a_note_that_cannot_be_read_ends_nothing(note, caplog):
    tasks = [
        {"__var": {"task_id": "a", "ml_stage": note}},
        {"__var": {"task_id": "b", "ml_stage": '{"kind": "train"}'}},
    ]
    found = pipeline_index.pipeline_of({"dag": {"tasks": tasks}})
    assert [stage.task_id for stage in found.stages] == ["b"]
    assert "The note of task 'a' cannot be read" in caplog.text


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        (["success", "queued"], "queued"),
        (["skipped", "success"], "skipped"),
        (["running", "awaiting_input"], "awaiting_input"),
        (["success", "failed", "running"], "failed"),
        (["success", "of a later Airflow"], "success"),
    ],
)
def test_the_state_of_mapped_tasks_is_the_one_that_says_most(session, world, states, shown):
    world.dag("flights")
    world.run("flights", 1, mapped=states)
    world.run("flights", 2, mapped=states[::-1])
    (card,) = home(session, {"flights"}, HomeQuery()).pipelines
    assert [run.stages["mapped"] for run in card.runs] == [shown, shown]


def test_the_newest_of_runs_at_one_time_is_the_last_that_was_made(session, world):
    world.dag("flights")
    for number, state in enumerate(("failed", "success")):
        world.run("flights", 1, name=f"r{number}", state=state)
    (card,) = home(session, {"flights"}, HomeQuery()).pipelines
    assert [run.run_id for run in card.runs] == ["r1", "r0"]
