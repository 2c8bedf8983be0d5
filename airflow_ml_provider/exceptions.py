"""Errors on Airflow's side.

AirflowException
├── StageFailedError              a stage failed; Airflow's retries apply
│   ├── StageUserCodeError        its code raised, or its command ended with another code than 0
│   ├── StageBadDataError         its data is not what it needs
│   ├── StageOutOfMemoryError     it used more memory than its pod has
│   ├── StageDisruptedError       its pods were evicted, preempted or lost, more often than ``max_disruptions``
│   ├── StageImageError           its image cannot be pulled
│   ├── StageCapacityError        no node had room for its pod within ``capacity_timeout``
│   └── StageKilledError          the task was told to end
├── ClusterError                  Kubernetes refused a request for its content; a retry does not help by itself
│   ├── ClusterUnavailableError   the API server did not answer; a retry helps
│   └── ClusterCapacityError      a quota is used up, or no node has room; a retry helps once there is room
├── NotServingError           new servers did not become ready; what served before serves
├── ServingChangedError       another run changed an endpoint meanwhile; a retry looks anew
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

from airflow.sdk.exceptions import AirflowException, AirflowFailException


class StageFailedError(AirflowException):
    """A stage's process failed: user code raised, it was killed, or its result is missing. Retries apply."""


class StageUserCodeError(StageFailedError):
    """The stage's code raised, or its command failed. A retry helps when the code depends on what changes."""


class StageBadDataError(StageFailedError):
    """The stage's data is not what it needs. A retry helps when the data was mended meanwhile."""


class StageOutOfMemoryError(StageFailedError):
    """The stage used more memory than its pod has. A retry seldom helps: raise ``resources.memory``."""


class StageDisruptedError(StageFailedError):
    """Pods of the stage were evicted, preempted or lost. A retry helps: nothing is wrong with the stage."""


class StageImageError(StageFailedError):
    """The stage's image cannot be pulled. A retry helps when the registry was away."""


class StageCapacityError(StageFailedError):
    """No node had room for the stage's pod. A retry helps once there is room."""


class StageKilledError(StageFailedError):
    """The task got SIGTERM: marked failed, or its worker shuts down. Retries apply."""


class ClusterError(AirflowException):
    """Kubernetes refused a request. A retry does not help by itself: mend what the message names."""


class ClusterUnavailableError(ClusterError):
    """The API server did not answer, or not in time. A retry helps when it is back."""


class ClusterCapacityError(ClusterError):
    """There is no room for the pod: a quota is used up. A retry helps once there is room."""


class NotServingError(AirflowException):
    """New servers did not become ready. A retry seldom helps: the message says what they said."""


class ServingChangedError(AirflowException):
    """Another run changed the endpoint meanwhile. A retry looks anew at what serves."""


class SourceUnavailableError(AirflowException):
    """The database of a source did not answer, or refused the query. A retry helps when it was away."""


class MlflowError(AirflowException):
    """MLflow answered with an error.

    Attributes:
        code: MLflow's error code (``RESOURCE_DOES_NOT_EXIST``), empty when it gave none.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class MlflowUnavailableError(MlflowError):
    """MLflow did not answer, or answered with a server error. A retry helps when the server is back."""


class StageConfigurationError(AirflowFailException):
    """The stage cannot run as it is put together. A retry does not help: change the DAG, YAML or code."""


class ValidationFailedError(AirflowFailException):
    """The data does not meet its suite. A retry does not help: mend the data or the suite."""


class GateFailedError(AirflowFailException):
    """The model does not pass its gate. A retry does not help: the same model and data give the same metrics."""


class RowsRejectedError(AirflowFailException):
    """A model could not take more rows than are allowed. A retry does not help: see the rows that were rejected."""


class DriftError(AirflowFailException):
    """Limits of a monitor stage are broken. A retry does not help: see its report."""


class CheckFailedError(AirflowFailException):
    """New servers do not answer as they should. A retry does not help: see to the server, or serve another version."""


class ClaimReleasedError(AirflowFailException):
    """What a run was given of a source was given back and may belong to another run. No retry helps."""


class MlflowAuthorizationError(AirflowFailException):
    """MLflow refused the credentials. A retry does not help: mend the Airflow connection."""


class ClusterForbiddenError(AirflowFailException):
    """The credentials are not valid, or lack a right. A retry does not help: grant the right that is named."""


FAILURE_CLASSES: Mapping[str, type[StageFailedError]] = {
    "user_code": StageUserCodeError,
    "bad_data": StageBadDataError,
    "out_of_memory": StageOutOfMemoryError,
    "disrupted": StageDisruptedError,
    "image": StageImageError,
    "capacity": StageCapacityError,
}
"""Errors of the verdicts on a stage that have one of their own."""


@contextmanager
def settings_of(task_id: str) -> Iterator[None]:
    """Raise what ``decisions/stage_rules.py`` says as the error of a stage.

    Raises:
        StageConfigurationError: A rule does not hold.
    """
    try:
        yield
    except ValueError as error:
        raise StageConfigurationError(f"stage {task_id!r}: {error}") from error
