"""Errors inside a stage; the category travels in the result and decides what Airflow does.

StageError
├── ContractError     the request and the code do not fit; a retry does not help
├── BadDataError      the data is unreadable, empty or wrong; a retry does not help unless the data changes
├── UserCodeError     the user's code raised or left without a word
└── TrackingError     MLflow refused or did not answer; a retry helps
"""

from __future__ import annotations

from airflow_ml_provider.protocol.result import FailureCategory

MESSAGE_LIMIT = 4_000
"""Characters of an error's message that are kept: what is longer is data."""


def shortened(message: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return a message of at most ``limit`` characters, its beginning, which says when it was cut."""
    if len(message) <= limit:
        return message
    note = f"... (cut, it has {len(message):,} characters)"
    return f"{message[: limit - len(note)]}{note}"


class StageError(Exception):
    """Base of all errors of a stage; ``category`` is the protocol's word for it."""

    category: FailureCategory = "user_code"


class ContractError(StageError):
    """A missing argument, an unknown param, a wrong type, no such module, a return value of another kind."""

    category = "contract"


class BadDataError(StageError):
    """Input data that no run of the same code could use."""

    category = "bad_data"


class UserCodeError(StageError):
    """The user's code failed.

    Attributes:
        type: Qualified name of the user's exception.
        traceback: The user's own frames.
        exit_code: The command's, 0 where there is none.
    """

    category = "user_code"

    def __init__(self, message: str, *, type: str, traceback: str = "", exit_code: int = 0) -> None:  # noqa: A002
        super().__init__(message)
        self.type = type
        self.traceback = traceback
        self.exit_code = exit_code


class TrackingError(StageError):
    """The MLflow server failed while a stage body needed it."""

    category = "tracking"
