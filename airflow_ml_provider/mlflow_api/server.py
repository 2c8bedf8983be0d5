"""Where an MLflow server is, and how to log in there."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from airflow_ml_provider.errors import MlflowError
from airflow_ml_provider.protocol.secret_text import without_secrets

DEFAULT_TIMEOUT_SECONDS = 30.0


class ConnectionParts(Protocol):
    """What is read of a connection, whoever keeps it."""

    @property
    def host(self) -> str | None:
        """Host, with or without a scheme, or the server's whole URL."""

    @property
    def schema(self) -> str | None:
        """The URL's scheme where the host names none; ``http`` by default."""

    @property
    def port(self) -> int | None:
        """The port, unless the host names it."""

    @property
    def login(self) -> str | None:
        """User."""

    @property
    def password(self) -> str | None:
        """Password."""

    @property
    def extra_dejson(self) -> Mapping[str, Any]:
        """``token``, ``tls_verify``, ``ca_bundle``, ``timeout``."""


@dataclass(frozen=True, kw_only=True)
class MlflowServer:
    """An MLflow server.

    Attributes:
        connection: The id of the Airflow connection that it is known by.
        uri: The server's URI, without credentials.
        login: User of HTTP basic authentication, empty without one.
        password: Its password.
        token: A bearer token, used in place of login and password.
        ca_bundle: Path of the certificates to trust, empty for the system's.
        verify_tls: Whether the server's certificate is checked.
        timeout: How long to wait for an answer, in seconds.
    """

    connection: str
    uri: str
    login: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ca_bundle: str = ""
    verify_tls: bool = True
    timeout: float = DEFAULT_TIMEOUT_SECONDS

    @classmethod
    def of_connection(cls, connection: str, found: ConnectionParts) -> MlflowServer:
        """Read a connection.

        Args:
            connection: Its id.
            found: The connection.

        Raises:
            MlflowError: The connection has no host, credentials in it, or a timeout that is not a number.
        """
        options = found.extra_dejson or {}
        return cls(
            connection=connection,
            uri=_uri(connection, host=found.host, schema=found.schema, port=found.port),
            login=found.login or "",
            password=found.password or "",
            token=str(options.get("token") or ""),
            ca_bundle=str(options.get("ca_bundle") or ""),
            # A connection from a URI carries text, one from the form a boolean or nothing.
            verify_tls=str(options.get("tls_verify")).lower() not in ("false", "0", "no"),
            timeout=_timeout(connection, options.get("timeout")),
        )

    def client_environment(self) -> dict[str, str]:
        """Return the secret variables that let an MLflow client in a child process log in.

        See https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth/.
        """
        environment = {
            "MLFLOW_TRACKING_TOKEN": self.token,
            "MLFLOW_TRACKING_USERNAME": self.login,
            "MLFLOW_TRACKING_PASSWORD": self.password,
            "MLFLOW_TRACKING_SERVER_CERT_PATH": self.ca_bundle,
            "MLFLOW_TRACKING_INSECURE_TLS": "" if self.verify_tls else "true",
        }
        return {name: value for name, value in environment.items() if value}

    def masked(self, text: str) -> str:
        """Return a text with asterisks in place of the credentials."""
        return without_secrets(text, [secret for secret in (self.token, self.password) if secret])

    def http_client(self) -> httpx.Client:
        """Return a client for the REST API.

        Raises:
            MlflowError: The certificates cannot be read.
        """
        headers = {"Accept-Encoding": "gzip"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return httpx.Client(
            base_url=f"{self.uri}/api/2.0/mlflow/",
            auth=(self.login, self.password) if self.login and not self.token else None,
            headers=headers,
            verify=self._tls_context(),
            timeout=httpx.Timeout(self.timeout, connect=5.0),
        )

    def _tls_context(self) -> bool | ssl.SSLContext:
        if not self.ca_bundle or not self.verify_tls:
            return self.verify_tls
        try:
            return ssl.create_default_context(cafile=self.ca_bundle)
        except (OSError, ssl.SSLError) as error:
            raise MlflowError(
                f"connection {self.connection!r}: ca_bundle {self.ca_bundle!r} cannot be read: {error}"
            ) from error


def _uri(connection: str, *, host: str | None, schema: str | None, port: int | None) -> str:
    host = (host or "").rstrip("/")
    if not host:
        raise MlflowError(f"connection {connection!r} has no host; set it to the MLflow server's URL")
    base = httpx.URL(host if "://" in host else f"{schema or 'http'}://{host}")
    if port and base.port is None:
        base = base.copy_with(port=port)
    if base.userinfo:
        raise MlflowError(f"connection {connection!r} has credentials in its host; move them to login and password")
    return str(base).rstrip("/")


def _timeout(connection: str, value: Any) -> float:
    try:
        return float(value or DEFAULT_TIMEOUT_SECONDS)
    except (TypeError, ValueError):
        raise MlflowError(f"connection {connection!r}: timeout is {value!r}; write a number of seconds") from None
