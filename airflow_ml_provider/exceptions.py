"""The errors that tasks fail with; each is a subclass of the one of its name in ``airflow_ml_provider.errors``.

AirflowException
├── StageFailedError              a stage failed; Airflow's retries apply
│   ├── StageUserCodeError        its code raised, or its command ended with another code than 0
│   ├── StageBadDataError         its data is not what it needs
│   ├── StageOutOfMemoryError     it used more memory than its pod has
│   ├── StageDisruptedError       its pods were evicted, preempted or lost, more often than ``max_disruptions``
│   ├── StageImageError           its image cannot be pulled
│   ├── StageCapacityError        no node had room for its pod within ``capacity_timeout``
│   └── StageKilledError          the task received SIGTERM
├── ClusterError                  Kubernetes refused a request for its content; a retry does not help by itself
│   ├── ClusterUnavailableError   the API server did not answer; a retry helps
│   └── ClusterCapacityError      a quota is used up, or no node has room; a retry helps once there is room
├── NotServingError               new servers did not become ready; what served before serves
├── ServingChangedError           another run changed an endpoint meanwhile; a retry looks anew
├── SourceUnavailableError        a source's database did not answer, or refused the query; a retry may help
├── MlflowError                   MLflow refused a request for its content; a retry does not help by itself
│   └── MlflowUnavailableError    MLflow did not answer; a retry helps
└── AirflowFailException          the task fails at once, no retry helps
    ├── StageConfigurationError   the stage is put together wrongly, or does not fit its code
    ├── ValidationFailedError     the data does not meet its suite
    ├── GateFailedError           the model does not pass its gate
    ├── RowsRejectedError         a model could not take more rows than are allowed
    ├── DriftError                live data is not what it was, and that is to fail the task
    ├── CheckFailedError          new servers answer otherwise than the model, or the guard of a canary did not hold
    ├── ClaimReleasedError        what a run was given of a source was given back meanwhile
    ├── MlflowAuthorizationError  MLflow refused the connection's credentials
    └── ClusterForbiddenError     Kubernetes refused the connection's credentials, or they lack a right
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    AirflowTaskTimeout,
)

from airflow_ml_provider import errors

__all__ = [
    "CheckFailedError",
    "ClaimReleasedError",
    "ClusterCapacityError",
    "ClusterError",
    "ClusterForbiddenError",
    "ClusterUnavailableError",
    "DriftError",
    "GateFailedError",
    "MlflowAuthorizationError",
    "MlflowError",
    "MlflowUnavailableError",
    "NotServingError",
    "RowsRejectedError",
    "ServingChangedError",
    "SourceUnavailableError",
    "StageBadDataError",
    "StageCapacityError",
    "StageConfigurationError",
    "StageDisruptedError",
    "StageFailedError",
    "StageImageError",
    "StageKilledError",
    "StageOutOfMemoryError",
    "StageUserCodeError",
    "ValidationFailedError",
]


class StageFailedError(AirflowException, errors.StageFailedError):
    """A stage's process failed: user code raised, it was killed, or its result is missing. Retries apply."""


class StageUserCodeError(StageFailedError, errors.StageUserCodeError):
    """The stage's code raised, or its command failed. A retry helps when the code depends on what changes."""


class StageBadDataError(StageFailedError, errors.StageBadDataError):
    """The stage's data is not what it needs. A retry helps when the data was fixed meanwhile."""


class StageOutOfMemoryError(StageFailedError, errors.StageOutOfMemoryError):
    """The stage used more memory than its pod has. A retry seldom helps: raise ``resources.memory``."""


class StageDisruptedError(StageFailedError, errors.StageDisruptedError):
    """Pods of the stage were evicted, preempted or lost. A retry helps: nothing is wrong with the stage."""


class StageImageError(StageFailedError, errors.StageImageError):
    """The stage's image cannot be pulled. A retry helps when the registry was away."""


class StageCapacityError(StageFailedError, errors.StageCapacityError):
    """No node had room for the stage's pod. A retry helps once there is room."""


class StageKilledError(StageFailedError, errors.StageKilledError):
    """The task got SIGTERM: marked failed, or its worker shuts down. Retries apply."""


class ClusterError(AirflowException, errors.ClusterError):
    """Kubernetes refused a request. A retry does not help by itself: fix what the message names."""


class ClusterUnavailableError(ClusterError, errors.ClusterUnavailableError):
    """The API server did not answer, or not in time. A retry helps when it is back."""


class ClusterCapacityError(ClusterError, errors.ClusterCapacityError):
    """There is no room for the pod: a quota is used up. A retry helps once there is room."""


class NotServingError(AirflowException, errors.NotServingError):
    """New servers did not become ready. A retry seldom helps: the message says what they said."""


class ServingChangedError(AirflowException, errors.ServingChangedError):
    """Another run changed the endpoint meanwhile. A retry looks anew at what serves."""


class SourceUnavailableError(AirflowException, errors.SourceUnavailableError):
    """The database of a source did not answer, or refused the query. A retry helps when it was away."""


class MlflowError(AirflowException, errors.MlflowError):
    """MLflow answered with an error."""


class MlflowUnavailableError(MlflowError, errors.MlflowUnavailableError):
    """MLflow did not answer, or answered with a server error. A retry helps when the server is back."""


class StageConfigurationError(AirflowFailException, errors.StageConfigurationError):
    """The stage cannot run as it is put together. A retry does not help: change the DAG, YAML or code."""


class ValidationFailedError(AirflowFailException, errors.ValidationFailedError):
    """The data does not meet its suite. A retry does not help: fix the data or the suite."""


class GateFailedError(AirflowFailException, errors.GateFailedError):
    """The model does not pass its gate. A retry does not help: the same model and data give the same metrics."""


class RowsRejectedError(AirflowFailException, errors.RowsRejectedError):
    """A model could not take more rows than are allowed. A retry does not help: see the rows that were rejected."""


class DriftError(AirflowFailException, errors.DriftError):
    """Limits of a monitor stage are broken. A retry does not help: see its report."""


class CheckFailedError(AirflowFailException, errors.CheckFailedError):
    """New servers do not answer as they should. A retry does not help: see to the server, or serve another version."""


class ClaimReleasedError(AirflowFailException, errors.ClaimReleasedError):
    """What a run was given of a source was given back and may belong to another run. No retry helps."""


class MlflowAuthorizationError(AirflowFailException, errors.MlflowAuthorizationError):
    """MLflow refused the credentials. A retry does not help: fix the Airflow connection."""


class ClusterForbiddenError(AirflowFailException, errors.ClusterForbiddenError):
    """The credentials are not valid, or lack a right. A retry does not help: grant the right that is named."""


AIRFLOW_ERRORS: Mapping[type[errors.MlError], type[AirflowException]] = {
    base: found
    for found in list(vars().values())
    if isinstance(found, type) and found.__module__ == __name__
    for base in found.__bases__
    if base.__module__ == errors.__name__
}
"""What a task fails with, by the error of the core."""


@contextmanager
def raised_as_airflow() -> Iterator[None]:
    """Raise the errors of a task's work as Airflow's own, which say to it whether to retry, to skip or to wait.

    Raises:
        AirflowException: One of this module, or another one of Airflow's.
    """
    try:
        yield
    except errors.StageSkippedError as error:
        raise AirflowSkipException(str(error)) from error
    except errors.StageTimeoutError as error:
        raise AirflowTaskTimeout(str(error)) from error
    except errors.LookAgainError as error:
        raise AirflowRescheduleException(error.at) from error  # type: ignore[no-untyped-call]
    except errors.MlError as error:
        _raise(error)


def _raise(error: errors.MlError) -> NoReturn:
    if isinstance(error, AirflowException):
        raise error
    other = AirflowFailException if isinstance(error, errors.FinalError) else AirflowException
    found = next((AIRFLOW_ERRORS[base] for base in type(error).__mro__ if base in AIRFLOW_ERRORS), other)
    own = found(*error.args)
    own.__dict__.update(error.__dict__)
    # Where it was raised is what a reader of the log looks for.
    raise own.with_traceback(error.__traceback__) from error.__cause__
