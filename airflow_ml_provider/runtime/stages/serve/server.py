"""A server of a registered model: MLflow's own, which also counts, keeps samples, and leaves no request behind."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import EXIT_CODES
from airflow_ml_provider.protocol.serving import TOKEN_VARIABLE, RequestLimits, metrics_port
from airflow_ml_provider.runtime.errors import StageError
from airflow_ml_provider.runtime.stages.registered import fetch_version
from airflow_ml_provider.runtime.stages.serve.admission import Admission
from airflow_ml_provider.runtime.stages.serve.counters import Counters
from airflow_ml_provider.runtime.stages.serve.logged_rows import column_types
from airflow_ml_provider.runtime.stages.serve.observed import Observed, note_calls
from airflow_ml_provider.runtime.stages.serve.request_log import RequestLog
from airflow_ml_provider.runtime.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel

    from airflow_ml_provider.runtime.stages.serve.admission import App, Message, Receive, Send

DRAIN_SECONDS = 15.0
"""How long a server that received SIGTERM goes on: until then no new connection reaches it, and each answer closes its
connection, so that clients that keep one open move on by themselves."""
_BACKLOG = 2048


def work(request: StageRequest) -> int:
    """Serve until SIGTERM; returns the exit code."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="airflow-ml-server-") as root:
        try:
            model = _model(request, Path(root))
        except StageError as error:
            print(error, file=sys.stderr, flush=True)
            return EXIT_CODES[error.category]
        except StoreError as error:
            print(error, file=sys.stderr, flush=True)
            return EXIT_CODES["store"]
        finally:
            os.chdir(before)
        _serve(request, model)
    return 0


def _model(request: StageRequest, root: Path) -> PyFuncModel:
    import mlflow

    workspace = Workspace(root, request)
    workspace.fetch(ArtifactStore())
    workspace.enter()
    assert request.tracking is not None
    known = request.options["model"]
    folder = root / "model"
    folder.mkdir()
    return mlflow.pyfunc.load_model(
        str(fetch_version(request.tracking.uri, known["name"], known["version"], into=folder))
    )


def _serve(request: StageRequest, model: PyFuncModel) -> None:
    import uvicorn
    from mlflow.pyfunc import scoring_server

    from airflow_ml_provider.runtime.stages.serve.connections import HEADER_BYTES, BoundedConnection

    options, counters = request.options, Counters()
    schema = model.metadata.get_input_schema()
    names = frozenset(schema.input_names()) if schema is not None and schema.has_input_names() else frozenset()
    kept = None
    if options["sample"]:
        columns = column_types(schema)
        kept = RequestLog(
            options["log"], model=options["model"], share=options["sample"], columns=columns, counters=counters
        )
    note_calls(model)
    app = PublicServer(
        Admission(
            Observed(scoring_server.init(model), counters=counters, kept=kept),
            limits=RequestLimits.of(options.get("limits", {})),
            counters=counters,
            names=names,
            token=os.environ.get(TOKEN_VARIABLE, ""),
        ),
        counters=counters,
        metrics_port=metrics_port(options["port"]),
    )
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=75,
        http=BoundedConnection,
        ws="none",
        h11_max_incomplete_event_size=HEADER_BYTES,
        server_header=False,
    )
    server = uvicorn.Server(config)
    _leave_slowly(server, app)
    shown = f"{options['model']['name']} version {options['model']['version']}"
    print(f"Serving {shown} at {options['host']}:{options['port']}", flush=True)
    listening = [_listening(options["host"], port) for port in (options["port"], metrics_port(options["port"]))]
    try:
        server.run(sockets=listening)
    finally:
        if kept is not None:
            kept.close()


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; without a host at all addresses, of both families where there are two."""
    if host or not socket.has_dualstack_ipv6():
        return socket.create_server((host, port), backlog=_BACKLOG)
    return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)


def _leave_slowly(server: Any, app: PublicServer) -> None:
    """Let a server go on for a while after SIGTERM; uvicorn's own handler closes connections at once."""
    tick, until = server.on_tick, 0.0

    def handle_exit(number: int, _frame: FrameType | None) -> None:
        if app.leaving or number != signal.SIGTERM:
            server.should_exit = True
        app.leaving = True

    async def on_tick(counter: int) -> bool:
        nonlocal until
        if app.leaving and not until:
            until = time.monotonic() + DRAIN_SECONDS
            print(f"Asked to end: no more connections are kept, the end is in {DRAIN_SECONDS:g} s", flush=True)
        if until and time.monotonic() > until:
            server.should_exit = True
        return bool(await tick(counter))

    server.handle_exit, server.on_tick = handle_exit, on_tick


class PublicServer:
    """An ASGI application around another that also answers at a port of its own what it counted.

    Args:
        app: The other.
        counters: What it counts.
        metrics_port: The port at which there is ``/metrics`` and nothing else.

    Attributes:
        leaving: Whether each answer closes its connection, because the server ends soon.
    """

    def __init__(self, app: App, *, counters: Counters, metrics_port: int) -> None:
        self._app = app
        self._counters = counters
        self._metrics_port = metrics_port
        self.leaving = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["server"][1] == self._metrics_port:
            await self._metrics(scope, send)
        else:

            async def sent(message: Message) -> None:
                if self.leaving and message["type"] == "http.response.start":
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
                await send(message)

            await self._app(scope, receive, sent)

    async def _metrics(self, scope: Message, send: Send) -> None:
        status, text = (200, self._counters.text()) if scope["path"] == "/metrics" else (404, "")
        headers = [(b"content-type", b"text/plain; version=0.0.4"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})
