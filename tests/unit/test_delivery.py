"""A committed result that was not delivered is taken once, for the same work only."""

import pytest

from airflow_ml_provider.artifacts.layout import RESULT, join
from airflow_ml_provider.artifacts.objects import create_object
from airflow_ml_provider.operators.delivery import Undelivered, find_undelivered, forget, remember
from airflow_ml_provider.protocol.result import StageFailure, StageResult


class TaskStateStore(dict):
    """The part of Airflow's task state store that is used, for one task instance."""

    def set(self, key, value):
        self[key] = value

    def delete(self, key):
        self.pop(key, None)


@pytest.fixture
def context():
    return {"task_state_store": TaskStateStore()}


def commit(tmp_path, result):
    create_object(join(f"file://{tmp_path}/1.1", RESULT), result.to_json().encode())
    return f"file://{tmp_path}/1.1"


def test_a_result_is_found_for_the_same_work_until_it_is_delivered(context, tmp_path):
    result = StageResult(status="success", attempt="1.1", metrics={"rmse": 1.0})
    assert find_undelivered(context, work_digest="w") is None
    remember(context, attempt_uri=commit(tmp_path, result), work_digest="w", attempt_run="r")
    assert find_undelivered(context, work_digest="w") == Undelivered(result, "r")
    assert find_undelivered(context, work_digest="other") is None
    forget(context)
    assert find_undelivered(context, work_digest="w") is None


def test_a_failure_or_a_missing_result_is_not_taken(context, tmp_path):
    failed = StageResult(status="failed", attempt="1.1", failure=StageFailure("user_code", "E", "m"))
    remember(context, attempt_uri=commit(tmp_path, failed), work_digest="w", attempt_run="")
    assert find_undelivered(context, work_digest="w") is None
    remember(context, attempt_uri=f"file://{tmp_path}/gone", work_digest="w", attempt_run="")
    assert find_undelivered(context, work_digest="w") is None
