"""An attempt that was begun is found by a later try, whole, until its result was delivered."""

import json

import pytest
from pydantic import JsonValue, TypeAdapter

from airflow_ml_provider.attempts.attempt import Attempt, PodIdentity
from airflow_ml_provider.decisions.pods.another_pod import Spent
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.tracking.stage_tracking import StageRuns


class TaskStateStore(dict):
    """The part of Airflow's task state store that is used, for one task instance; values are JSON there."""

    def set(self, key, value):
        # As strict as Airflow's, which takes no tuple.
        TypeAdapter(JsonValue).validate_python(value)
        self[key] = json.dumps(value)

    def get(self, key):
        return json.loads(super().get(key, "null"))

    def delete(self, key):
        self.pop(key, None)


@pytest.mark.parametrize(
    "attempt",
    [
        Attempt("1.1", "file:///store/1.1", "sha256:w"),
        Attempt(
            "2.3",
            "s3://artifacts/store/2.3",
            "sha256:w",
            runs=StageRuns(experiment_id="1", parent="p", child="c", earlier=("b", "a")),
            pod=PodIdentity("ml", "train-1-1", "uid"),
            spent=Spent(disruptions=2, memory=1024),
            waiting_since=1.5,
            checkpoints=(ArtifactRef("s3://artifacts/c1", f"sha256:{'0' * 64}", "directory", 5),),
        ),
    ],
)
def test_an_attempt_is_loaded_as_it_was_saved_until_it_is_forgotten(attempt):
    state = TaskStateStore()
    assert Attempt.load(state) is None
    attempt.save(state)
    assert Attempt.load(state) == attempt
    Attempt.forget(state)
    assert Attempt.load(state) is None
