"""The cards of pipelines, from a database that Airflow's own models wrote."""

import datetime as dt
import uuid
from contextlib import contextmanager

import pytest
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.dag import DagModel, DagTag
from airflow.models.dag_version import DagVersion
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session

from airflow_ml_provider.dag_factory.broken import broken_dag
from airflow_ml_provider.operators import ContainerOperator, FinishOperator, TrainOperator
from airflow_ml_provider.plugin import pipeline_index
from airflow_ml_provider.plugin.home import RUNS, HomeQuery
from airflow_ml_provider.plugin.home import home as home_page
from airflow_ml_provider.plugin.pipeline_index import PipelineIndex
from airflow_ml_provider.spec.problems import Problem

TASK = {
    "pool": "default_pool",
    "pool_slots": 1,
    "queue": "default",
    "try_number": 1,
    "hostname": "",
    "priority_weight": 1,
}
NOW = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)


def home(session, readable, query, *, with_xcoms=True):
    return home_page(session, readable, query, with_xcoms=with_xcoms)


@contextmanager
def session_of(url, *, made=False):
    """A session of a database with Airflow's tables, which are made unless they are there."""
    import_all_models()
    engine = create_engine(url)
    if not made:
        Base.metadata.create_all(engine)
    with Session(engine) as session:
        if not made:
            session.add(DagBundleModel(name="dags"))
            session.commit()
        yield session
    engine.dispose()


@pytest.fixture
def session(tmp_path):
    with session_of(f"sqlite:///{tmp_path}/airflow.db") as session:
        yield session


class World:
    """Writes DAGs and runs."""

    def __init__(self, session):
        self.session = session

    def dag(self, name, *, tags=(), owner="ada", build=None, description=None, made=None):
        with DAG(name, schedule=None) as dag:
            (build or three_stages)()
        model = DagModel(dag_id=name, owners=owner, bundle_name="dags", description=description, is_stale=False)
        model.timetable_summary = "None"
        model.tags = [DagTag(name=tag, dag_id=name) for tag in tags]
        self.session.add(model)
        self.version(name, made or dag)

    def version(self, name, dag, *, number=1):
        version = DagVersion(dag_id=name, version_number=number, bundle_name="dags")
        self.session.add(version)
        self.session.flush()
        serialized = SerializedDagModel(LazyDeserializedDAG(data=DagSerialization.to_dict(dag)))
        serialized.dag_version_id = version.id
        self.session.add(serialized)
        self.session.commit()
        return version

    def run(self, dag_id, number, *, state="success", name=None, **states):
        version = self.session.query(DagVersion).filter_by(dag_id=dag_id).first()
        after = NOW + dt.timedelta(hours=number)
        run = DagRun(dag_id=dag_id, run_id=name or f"r{number}", run_after=after, run_type="manual", state=state)
        self.session.add(run)
        found = []
        for task, each in states.items():
            for index, each_state in enumerate(each) if isinstance(each, list) else [(-1, each)]:
                found.append(uuid.uuid4())
                row = {**TASK, "id": found[-1], "task_id": task, "state": each_state, "map_index": index}
                row |= {"dag_id": dag_id, "run_id": run.run_id, "dag_version_id": version.id}
                self.session.execute(insert(TaskInstance.__table__).values(row))
        self.session.commit()
        return found

    def said(self, dag_id, number, task_id, *, minutes=0, **values):
        run = self.session.query(DagRun).filter_by(dag_id=dag_id, run_id=f"r{number}").one()
        at = run.run_after + dt.timedelta(minutes=minutes)
        for key, value in values.items():
            row = {"dag_run_id": run.id, "dag_id": dag_id, "run_id": run.run_id, "task_id": task_id, "map_index": -1}
            self.session.execute(insert(XComModel.__table__).values(**row, key=key, value=value, timestamp=at))
        self.session.commit()

    def question(self, instance, subject="Shall it?"):
        self.session.add(
            HITLDetail(ti_id=instance, options=["Approve", "Reject"], subject=subject, created_at=NOW, params={})
        )
        self.session.commit()


@pytest.fixture
def world(session):
    return World(session)


def three_stages():
    ingest = ContainerOperator(task_id="z_ingest", command=["true"])
    train = TrainOperator(task_id="a_train", run="steps:train")
    mapped = TrainOperator.partial(task_id="mapped", run="steps:train").expand(hyperparameters=[{"by": 1}])
    ingest >> EmptyOperator(task_id="between") >> train >> mapped >> FinishOperator(task_id="finish")


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
