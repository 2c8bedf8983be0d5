"""The result: what a stage made, measured, or failed of. Always the last object that an attempt writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.codec import from_json, to_json
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.version import PROTOCOL_VERSION, RESULT_LIMIT_BYTES

FailureCategory = Literal["user_code", "bad_data", "contract", "store", "tracking"]

EXIT_CODES: Mapping[str, int] = {"user_code": 1, "bad_data": 3, "contract": 4, "store": 5, "tracking": 6}
"""Exit code of the stage's process for each failure category, unless a command has one of its own; 0 is success."""


@dataclass(frozen=True)
class StageFailure:
    """Why a stage failed.

    Attributes:
        category: ``user_code`` raised, ``bad_data`` was found, the ``contract`` between the request and the
            code is broken (a retry does not help), the ``store`` or the ``tracking`` server was out of reach.
        type: The exception's qualified name.
        message: One line for a person, with the thing, the value, the rule and what to do.
        traceback: The user's own frames, empty where there are none.
        exit_code: The command's, 0 where there is none.
    """

    category: FailureCategory
    type: str
    message: str
    traceback: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class StageResult:
    """The outcome of one attempt.

    Attributes:
        status: ``success`` or ``failed``.
        attempt: The attempt that wrote it.
        metrics: Finite numbers by name.
        outputs: Committed artifacts by output name.
        values: Other small JSON values (a validation summary, a model version).
        failure: Set exactly when ``status`` is ``failed``.
        seconds: How long the stage's own work took, in seconds.
        protocol: The version that this result speaks.
    """

    status: Literal["success", "failed"]
    attempt: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    outputs: Mapping[str, ArtifactRef] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    failure: StageFailure | None = None
    seconds: float = 0.0
    protocol: int = PROTOCOL_VERSION

    def __post_init__(self) -> None:
        if self.protocol != PROTOCOL_VERSION:
            raise ProtocolError(
                f"result speaks protocol {self.protocol}, this side speaks {PROTOCOL_VERSION}: "
                f"use the same airflow-ml-provider version in Airflow and in the stage's image"
            )
        if (self.status == "failed") != (self.failure is not None):
            raise ProtocolError(f"a result with status {self.status!r} and failure {self.failure!r}")

    def to_json(self) -> str:
        """Return the result as JSON.

        Raises:
            ProtocolError: A value is not JSON, or the result is over 256 KiB.
        """
        return to_json(self, limit=RESULT_LIMIT_BYTES)

    @classmethod
    def from_json(cls, text: str | bytes) -> StageResult:
        """Read a result from JSON.

        Raises:
            ProtocolError: The text is not a result of this protocol version.
        """
        return from_json(cls, text, limit=RESULT_LIMIT_BYTES)


assert set(EXIT_CODES) == set(get_args(FailureCategory))
