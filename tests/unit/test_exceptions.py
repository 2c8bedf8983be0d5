"""What tasks fail with: Airflow's own errors, made of those of the core."""

from __future__ import annotations

import datetime as dt
import inspect
import traceback

import pytest
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    AirflowTaskTimeout,
)

from airflow_ml_provider import errors
from airflow_ml_provider.exceptions import AIRFLOW_ERRORS, MlflowUnavailableError, raised_as_airflow
from airflow_ml_provider.operators import TrainOperator

WITHOUT_CLASS = {"MlError", "FinalError", "StageSkippedError", "LookAgainError", "StageTimeoutError"}
CORE = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, errors.MlError)]


@pytest.mark.parametrize("core", [found for found in CORE if found.__name__ not in WITHOUT_CLASS])
def test_every_error_has_one_of_airflow_that_says_the_same_of_retries(core):
    airflow = AIRFLOW_ERRORS[core]

    assert airflow.__name__ == core.__name__
    assert issubclass(airflow, core)
    assert issubclass(airflow, AirflowException)
    assert issubclass(airflow, AirflowFailException) == issubclass(core, errors.FinalError)
    for base in core.__bases__:
        assert base in (errors.MlError, errors.FinalError) or issubclass(airflow, AIRFLOW_ERRORS[base])


def test_message_attributes_and_traceback_stay():
    def work():
        raise errors.MlflowUnavailableError("it is away", code="TEMPORARILY_UNAVAILABLE")

    with pytest.raises(MlflowUnavailableError, match="^it is away$") as caught, raised_as_airflow():
        work()

    assert caught.value.code == "TEMPORARILY_UNAVAILABLE"
    assert "work" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_a_subclass_of_another_module_is_raised_as_its_base():
    class LoginRefusedError(errors.ClusterForbiddenError):
        pass

    with pytest.raises(AIRFLOW_ERRORS[errors.ClusterForbiddenError], match="log in"), raised_as_airflow():
        raise LoginRefusedError("log in")


@pytest.mark.parametrize(
    ("base", "airflow"), [(errors.FinalError, AirflowFailException), (errors.MlError, AirflowException)]
)
def test_an_error_of_another_package_says_the_same_of_retries(base, airflow):
    class TooFewRowsError(base):
        pass

    with pytest.raises(airflow, match="3 rows") as caught, raised_as_airflow():
        raise TooFewRowsError("3 rows")

    assert isinstance(caught.value, AirflowFailException) == (base is errors.FinalError)


def test_what_is_wrong_with_an_operator_is_not_tried_again():
    with pytest.raises(AirflowFailException, match="output 'metrics' is a reserved name"):
        TrainOperator(task_id="t", run="m:f", outputs={"metrics": "file"})


@pytest.mark.parametrize(
    ("core", "airflow"),
    [
        (errors.StageSkippedError("nothing is new"), AirflowSkipException),
        (errors.StageTimeoutError("too long"), AirflowTaskTimeout),
    ],
)
def test_skips_and_timeouts_are_airflows(core, airflow):
    with pytest.raises(airflow, match=str(core)), raised_as_airflow():
        raise core


def test_what_is_to_be_looked_at_again_is_rescheduled():
    at = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)

    with pytest.raises(AirflowRescheduleException) as caught, raised_as_airflow():
        raise errors.LookAgainError("another run has the partition", at=at)

    assert caught.value.reschedule_date == at


def test_other_errors_and_errors_of_airflow_pass():
    for error in (ValueError("x"), AirflowException("y"), MlflowUnavailableError("z")):
        with pytest.raises(type(error)) as caught, raised_as_airflow():
            raise error
        assert caught.value is error
