"""Errors on Airflow's side.

AirflowException
├── StageFailedError              a stage's process failed; Airflow's retries apply
│   └── StageKilledError          the task was told to end; Airflow's retries apply
├── MlflowError                   MLflow refused a request for its content; a retry does not help by itself
│   └── MlflowUnavailableError    MLflow did not answer; a retry helps
└── AirflowFailException          the task fails at once, no retry helps
    ├── StageConfigurationError   the stage is put together wrongly, or does not fit its code
    ├── ValidationFailedError     the data does not meet its suite
    ├── GateFailedError           the model does not pass its gate
    └── MlflowAuthorizationError  MLflow refused the connection's credentials
"""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowException, AirflowFailException


class StageFailedError(AirflowException):
    """A stage's process failed: user code raised, it was killed, or its result is missing. Retries apply."""


class StageKilledError(StageFailedError):
    """The task got SIGTERM: marked failed, or its worker shuts down. Retries apply."""


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


class MlflowAuthorizationError(AirflowFailException):
    """MLflow refused the credentials. A retry does not help: mend the Airflow connection."""
