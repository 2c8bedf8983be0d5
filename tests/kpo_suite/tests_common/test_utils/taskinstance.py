from airflow.cli.commands.task_command import _get_template_context
from airflow.models.taskinstance import TaskInstance
from airflow.serialization.serialized_objects import create_scheduler_operator
from airflow.utils.context import ConnectionAccessor, VariableAccessor

from tests_common.test_utils.dag import create_scheduler_dag


class TaskInstanceWrapper:
    def __init__(self, instance, task):
        self.__dict__.update(_instance=instance, _task=task)

    def __getattr__(self, name):
        return getattr(self.__dict__["_instance"], name)

    def __setattr__(self, name, value):
        setattr(self.__dict__["_instance"], name, value)

    def render_templates(self, **_):
        self._task.render_template_fields(get_template_context(self._instance, self._task))
        return self._task


def create_task_instance(task, *, dag_version_id, run_id=None, state=None, map_index=-1, ti_type=TaskInstance):
    dag = task.get_dag()
    known = create_scheduler_dag(dag).get_task(task.task_id) if dag else create_scheduler_operator(task)
    return ti_type(known, dag_version_id=dag_version_id, run_id=run_id, state=state, map_index=map_index)


def get_template_context(instance, task, *, session=None):
    context = _get_template_context(instance, task)
    context["ti"].__dict__.update(xcom_push=instance.xcom_push, xcom_pull=instance.xcom_pull)
    variables = {"json": VariableAccessor(deserialize_json=True), "value": VariableAccessor(deserialize_json=False)}
    context.update(conn=ConnectionAccessor(), test_mode=instance.test_mode, var=variables)
    return context
