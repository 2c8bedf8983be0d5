"""Errors of the protocol."""

from airflow_ml_provider.protocol.plain_text import one_line

_LENGTH = 1000


class ProtocolError(ValueError):
    """A request, result or artifact reference does not follow the protocol.

    A retry does not help: the two sides disagree, or the text was changed on its way. Whatever keys the text had, the
    message is one line.
    """

    def __str__(self) -> str:
        return one_line(super().__str__(), _LENGTH)
