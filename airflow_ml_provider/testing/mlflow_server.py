"""A real MLflow server on a free port."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import httpx

from airflow_ml_provider.testing.server_process import ServerProcess, free_port


class MlflowServer:
    """MLflow with SQLite and its artifacts in one folder, as a context manager.

    Args:
        folder: Where its database, artifacts and log lie; kept when it stops.
        port: The port, a free one by default.
        host: The address to listen on; ``0.0.0.0`` lets pods reach it.

    Attributes:
        uri: Where it answers.
        artifacts: The folder of its artifacts.
    """

    def __init__(self, folder: Path, *, port: int | None = None, host: str = "127.0.0.1") -> None:
        self.port = port or free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.artifacts = folder / "artifacts"
        folder.mkdir(parents=True, exist_ok=True)
        self._server = ServerProcess(
            name="MLflow",
            command=[
                *(sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(self.port)),
                *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
                *("--artifacts-destination", str(self.artifacts)),
                # Pods reach it under an address that the server cannot know.
                *(() if host == "127.0.0.1" else ("--allowed-hosts", "*")),
            ],
            environment={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
            log=folder / "mlflow.log",
        )

    def start(self) -> None:
        """Start the server and wait until it answers, 60 seconds at most."""
        self._server.start()
        self._server.wait_until(lambda: httpx.get(f"{self.uri}/health").status_code == 200, seconds=60)

    def stop(self) -> None:
        """Stop the server."""
        self._server.stop(seconds=5)

    def __enter__(self) -> MlflowServer:
        with ExitStack() as on_failure:
            on_failure.callback(self.stop)
            self.start()
            on_failure.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.stop()
