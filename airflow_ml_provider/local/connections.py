"""Connections and variables of Airflow that stand in the environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from airflow_ml_provider.errors import MlflowError, StageConfigurationError
from airflow_ml_provider.mlflow_api.server import MlflowServer

CONNECTION_PREFIX, VARIABLE_PREFIX = "AIRFLOW_CONN_", "AIRFLOW_VAR_"


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A connection, with the attributes that templates read of Airflow's.

    See https://airflow.apache.org/docs/apache-airflow/stable/howto/connection.html.
    """

    conn_id: str
    conn_type: str = ""
    host: str | None = None
    schema: str | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    port: int | None = None
    extra: str | None = field(default=None, repr=False)

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The extra as a mapping, empty when it is not one."""
        try:
            found = json.loads(self.extra or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class EnvironmentConnections:
    """Connections in variables ``AIRFLOW_CONN_ID``: JSON, or a URI.

    Args:
        environment: The variables.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def mlflow(self, conn_id: str) -> MlflowServer:
        """Return the MLflow server of a connection.

        Raises:
            MlflowError: There is no such connection, or it names no server.
        """
        found = self.find(conn_id)
        if found is None:
            raise MlflowError(
                f"no MLflow is known here: set {variable_of(conn_id)}, such as "
                f'{variable_of(conn_id)}=\'{{"conn_type": "mlflow", "host": "http://localhost:5000"}}\''
            )
        return MlflowServer.of_connection(conn_id, found)

    def find(self, conn_id: str) -> Connection | None:
        """Return a connection, ``None`` when the environment has none.

        Raises:
            StageConfigurationError: It cannot be read.
        """
        text = self._environment.get(variable_of(conn_id))
        if text is None:
            return None
        try:
            return _from_json(conn_id, text) if text.lstrip().startswith("{") else _from_uri(conn_id, text)
        except (ValueError, TypeError) as error:
            # The content may be a secret.
            raise StageConfigurationError(
                f"connection {conn_id!r}: {variable_of(conn_id)} is neither the JSON nor the URI of a connection "
                f"({type(error).__name__})"
            ) from None


def variable_of(conn_id: str) -> str:
    """Return the name of the variable that holds a connection."""
    return f"{CONNECTION_PREFIX}{conn_id.upper()}"


def _from_json(conn_id: str, text: str) -> Connection:
    given = json.loads(text)
    extra, port = given.get("extra"), given.get("port")
    return Connection(
        conn_id=conn_id,
        conn_type=str(given.get("conn_type") or ""),
        host=given.get("host"),
        schema=given.get("schema"),
        login=given.get("login"),
        password=given.get("password"),
        port=None if port in (None, "") else int(port),
        extra=json.dumps(extra) if isinstance(extra, dict) else extra,
    )


def _from_uri(conn_id: str, text: str) -> Connection:
    """Read a URI as ``airflow.sdk.Connection.from_uri`` does."""
    conn_type, _, rest = text.partition("://")
    if rest.count("://") > 1:
        raise ValueError("more than two schemes")
    # "mlflow://https://host:5000": the host has a scheme of its own.
    has_protocol = "://" in rest
    parts = urlsplit(rest if has_protocol else f"//{rest}")
    host = _host(parts)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Connection(
        conn_id=conn_id,
        conn_type=conn_type.replace("-", "_"),
        host=f"{parts.scheme}://{host}" if has_protocol and host else host,
        schema=unquote(parts.path[1:]),
        login=parts.username and unquote(parts.username),
        password=parts.password and unquote(parts.password),
        port=parts.port,
        extra=(query["__extra__"] if "__extra__" in query else json.dumps(query)) if query else None,
    )


def _host(parts: SplitResult) -> str:
    host = unquote(parts.hostname or "")
    if "/" not in host:
        return host
    # A quoted URL: what urlsplit makes small letters of is kept.
    return unquote(parts.netloc.rpartition("@")[2].partition(":")[0])
