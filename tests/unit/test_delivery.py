"""What a stage that fails leaves for who looks at its run."""

import datetime as dt

import pytest

from airflow_ml_provider.errors import (
    GateFailedError,
    LookAgainError,
    StageOutOfMemoryError,
    StageSkippedError,
)
from airflow_ml_provider.execution.delivery import failure_pushed
from airflow_ml_provider.local.world import MemoryOutputs

NOW = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            StageOutOfMemoryError("the pod used more than 1Gi\x1b[2J\nLast lines of its log:\n  | secret"),
            {"class": "StageOutOfMemoryError", "message": "the pod used more than 1Gi "},
        ),
        (GateFailedError("no"), {"class": "GateFailedError", "message": "no"}),
        (GateFailedError(), {"class": "GateFailedError", "message": ""}),
    ],
)
def test_a_failure_is_an_output_of_one_line(error, said):
    outputs = MemoryOutputs()
    with pytest.raises(type(error)), failure_pushed(outputs):
        raise error
    assert outputs.values == {"failure": said}


@pytest.mark.parametrize("error", [StageSkippedError("nothing to do"), LookAgainError("busy", at=NOW), KeyError("x")])
def test_what_is_no_failure_of_a_stage_is_no_output(error):
    outputs = MemoryOutputs()
    with pytest.raises(type(error)), failure_pushed(outputs):
        raise error
    assert outputs.values == {}


def test_a_failure_keeps_its_class_when_it_cannot_be_pushed():
    class Away:
        def push(self, key, value):
            raise ConnectionError("the API server is away")

    with pytest.raises(GateFailedError, match="no"), failure_pushed(Away()):
        raise GateFailedError("no")
