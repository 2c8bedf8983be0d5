"""Names that become parts of paths and of environment variables."""

from __future__ import annotations

import re

from airflow_ml_provider.protocol.errors import ProtocolError

REUSE_PARAM = "reuse"
"""The DAG's param that says whether a run takes results of earlier ones."""

BODIES = ("batch_predict", "evaluate", "ingest", "monitor", "register", "serve", "tune", "validate")
"""Bodies of stages that the runtime itself has: packages that travel through the store, not in a pod's environment."""

FETCH_THEMSELVES = ("batch_predict",)
"""Bodies that take of their inputs what they need, when they need it."""

CHECKPOINTS = "checkpoints"
"""The argument of a function that takes the folder of its checkpoints."""

NAME_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


def require_name(name: object, *, of: str) -> str:
    """Return ``name`` when it can name an input, output or param; it is also a Python identifier.

    Args:
        name: The name to check.
        of: What is named, for the message (``"output"``).

    Raises:
        ProtocolError: The name holds other characters than letters, digits and ``_``, or is over 63 long.
    """
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise ProtocolError(
            f"{of} name {name!r} is not allowed: start with a letter, go on with letters, digits and '_', "
            f"63 characters at most"
        )
    return name
