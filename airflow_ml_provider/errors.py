"""Errors of this package. Each says what happened to which thing, and its class whether a retry helps.

A task fails with Airflow's own of the same name (``airflow_ml_provider.exceptions``), which is a subclass.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class MlError(Exception):
    """Base of all. Airflow's retries apply."""


class FinalError(MlError):
    """Base of those that no retry helps: the task fails at once."""


class StageSkippedError(MlError):
    """There is nothing to do: the task is skipped."""


class LookAgainError(MlError):
    """The task waits for something and is to be run again.

    Attributes:
        at: When.
    """

    def __init__(self, message: str, *, at: dt.datetime) -> None:
        super().__init__(message)
        self.at = at


class StageTimeoutError(MlError):
    """The time that the task may take is over. Airflow's retries apply."""


class StageFailedError(MlError):
    """A stage's process failed: user code raised, it was killed, or its result is missing. Retries apply."""


class StageUserCodeError(StageFailedError):
    """The stage's code raised, or its command failed. A retry helps when the code depends on what changes."""


class StageBadDataError(StageFailedError):
    """The stage's data is not what it needs. A retry helps when the data was fixed meanwhile."""


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


class ClusterError(MlError):
    """Kubernetes refused a request. A retry does not help by itself: fix what the message names."""


class ClusterUnavailableError(ClusterError):
    """The API server did not answer, or not in time. A retry helps when it is back."""


class ClusterCapacityError(ClusterError):
    """There is no room for the pod: a quota is used up. A retry helps once there is room."""


class NotServingError(MlError):
    """New servers did not become ready. A retry seldom helps: the message says what they said."""


class ServingChangedError(MlError):
    """Another run changed the endpoint meanwhile. A retry looks anew at what serves."""


class SourceUnavailableError(MlError):
    """The database of a source did not answer, or refused the query. A retry helps when it was away."""


class MlflowError(MlError):
    """MLflow answered with an error.

    Attributes:
        code: MLflow's error code (``RESOURCE_DOES_NOT_EXIST``), empty when it gave none.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class MlflowUnavailableError(MlflowError):
    """MLflow did not answer, or answered with a server error. A retry helps when the server is back."""


class StageConfigurationError(FinalError):
    """The stage cannot run as it is put together. A retry does not help: change the DAG, YAML or code."""


class ValidationFailedError(FinalError):
    """The data does not meet its suite. A retry does not help: fix the data or the suite."""


class GateFailedError(FinalError):
    """The model does not pass its gate. A retry does not help: the same model and data give the same metrics."""


class RowsRejectedError(FinalError):
    """A model could not take more rows than are allowed. A retry does not help: see the rows that were rejected."""


class DriftError(FinalError):
    """Limits of a monitor stage are broken. A retry does not help: see its report."""


class CheckFailedError(FinalError):
    """New servers do not answer as they should. A retry does not help: see to the server, or serve another version."""


class ClaimReleasedError(FinalError):
    """What a run was given of a source was given back and may belong to another run. No retry helps."""


class MlflowAuthorizationError(FinalError):
    """MLflow refused the credentials. A retry does not help: fix the Airflow connection."""


class ClusterForbiddenError(FinalError):
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
