"""The log of a local run: one file, each line with its stage, secrets masked."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.local.connections import CONNECTION_PREFIX, EnvironmentConnections
from airflow_ml_provider.protocol.plain_text import printable
from airflow_ml_provider.protocol.secret_text import SHORTEST, without_secrets

PACKAGE = "airflow_ml_provider"
_SECRET_KEYS = ("password", "token", "secret", "key")


def secrets_of(environment: Mapping[str, str]) -> frozenset[str]:
    """Return what no log may show: passwords and tokens of the connections in the environment."""
    connections, found = EnvironmentConnections(environment), set()
    for name in environment:
        if not name.startswith(CONNECTION_PREFIX):
            continue
        try:
            connection = connections.find(name.removeprefix(CONNECTION_PREFIX).lower())
        except StageConfigurationError:
            continue
        if connection is None:
            continue
        extra = connection.extra_dejson.items()
        found |= {str(value) for key, value in extra if any(word in key.lower() for word in _SECRET_KEYS)}
        found.add(connection.password or "")
    return frozenset(value for value in found if len(value) >= SHORTEST)


@contextmanager
def logged_to(path: Path, *, masked: Collection[str]) -> Iterator[None]:
    """Write what this package logs to a file.

    Args:
        path: The file.
        masked: What is replaced by asterisks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(_Masking(masked))
    package = logging.getLogger(PACKAGE)
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        handler.close()


class _Masking(logging.Formatter):
    def __init__(self, masked: Collection[str]) -> None:
        # The threads of a run are called by their stages.
        super().__init__("%(asctime)s [%(threadName)s] %(message)s")
        self._masked = masked

    def format(self, record: logging.LogRecord) -> str:
        # A line that is indented is no line of the log's own.
        return without_secrets(printable(super().format(record)).replace("\n", "\n    "), self._masked)
