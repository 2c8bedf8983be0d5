"""A database with Airflow's tables, and what its scheduler would have written there."""

import datetime as dt
import uuid
from contextlib import contextmanager

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

from airflow_ml_provider.operators import ContainerOperator, FinishOperator, TrainOperator

TASK = {
    "pool": "default_pool",
    "pool_slots": 1,
    "queue": "default",
    "try_number": 1,
    "hostname": "",
    "priority_weight": 1,
}
NOW = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)


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


def three_stages():
    """A pipeline of three stages, the last of them mapped, with tasks of other kinds between."""
    ingest = ContainerOperator(task_id="z_ingest", command=["true"])
    train = TrainOperator(task_id="a_train", run="steps:train")
    mapped = TrainOperator.partial(task_id="mapped", run="steps:train").expand(hyperparameters=[{"by": 1}])
    ingest >> EmptyOperator(task_id="between") >> train >> mapped >> FinishOperator(task_id="finish")


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
