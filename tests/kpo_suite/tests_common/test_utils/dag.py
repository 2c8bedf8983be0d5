from airflow.models.dagbundle import DagBundleModel
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
from airflow.utils.session import create_session


def create_scheduler_dag(dag):
    if isinstance(dag, SerializedDAG):
        return dag
    return DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))


def sync_dag_to_db(dag, bundle_name="testing", bundle_version=None, session=None):
    if session is None:
        with create_session() as opened:
            return sync_dag_to_db(dag, bundle_name, bundle_version, opened)
    session.merge(DagBundleModel(name=bundle_name))
    session.flush()
    SerializedDAG.bulk_write_to_db(bundle_name, bundle_version, [dag], session=session)
    serialized = LazyDeserializedDAG(data=DagSerialization.to_dict(dag))
    SerializedDagModel.write_dag(serialized, bundle_name, bundle_version, session=session)
    session.flush()
    return create_scheduler_dag(dag)
