from airflow.models import DagModel, DagRun, TaskInstance, Trigger
from airflow.models.dag_version import DagVersion
from airflow.models.dagbundle import DagBundleModel
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import delete


def _clear(*models):
    with create_session() as session:
        for model in models:
            session.execute(delete(model))


def clear_db_runs():
    _clear(XComModel, TaskInstance, DagRun, Trigger)


def clear_db_dags():
    _clear(XComModel, TaskInstance, DagRun, SerializedDagModel, DagVersion, DagModel)


def clear_db_dag_bundles():
    _clear(DagBundleModel)
