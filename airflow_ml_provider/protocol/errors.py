"""Errors of the protocol."""


class ProtocolError(ValueError):
    """A request, result or artifact reference does not follow the protocol.

    A retry does not help: the two sides disagree, or the text was changed on its way.
    """
