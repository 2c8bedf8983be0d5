"""The fixtures of Airflow's development tools that upstream's tests ask for."""

import datetime as dt

import pytest
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk import DAG
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

from tests_common.test_utils.dag import sync_dag_to_db
from tests_common.test_utils.taskinstance import get_template_context

_START = dt.datetime(2016, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def session():
    with create_session() as opened:
        yield opened
        opened.rollback()


class _Maker:
    def __init__(self, session):
        self.session = session
        self.dag = None

    def __call__(self, dag_id="test_dag", default_args=None, serialized=None, session=None, **arguments):
        given = {"schedule": None, "start_date": _START, **arguments}
        self.dag = DAG(dag_id, default_args=default_args or {}, **given)
        return self

    def __enter__(self):
        return self.dag.__enter__()

    def __exit__(self, kind, error, trace):
        self.dag.__exit__(kind, error, trace)
        if kind is None:
            sync_dag_to_db(self.dag, session=self.session)
            self.session.commit()

    def create_dagrun(self, run_id="test", **_):
        dag = SerializedDagModel.get(self.dag.dag_id, session=self.session).dag
        run = dag.create_dagrun(
            run_id=run_id,
            logical_date=_START,
            data_interval=(_START, _START),
            run_after=_START,
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.RUNNING,
            session=self.session,
        )
        self.session.commit()
        return run


@pytest.fixture
def dag_maker(session):
    return _Maker(session)


@pytest.fixture
def create_task_instance_of_operator(dag_maker):
    def make(cls, *, dag_id, session=None, **arguments):
        with dag_maker(dag_id=dag_id):
            operator = cls(**arguments)
        (instance,) = dag_maker.create_dagrun().task_instances

        # Set on the mapped object itself: the test adds it to its session.
        def render_templates(**_):
            operator.render_template_fields(get_template_context(instance, operator))
            return operator

        instance.render_templates = render_templates
        return instance

    return make
