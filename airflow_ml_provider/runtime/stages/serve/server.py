"""A server of a registered model: MLflow's own, which also counts, keeps samples, and leaves no request behind."""

from __future__ import annotations

import functools
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import EXIT_CODES
from airflow_ml_provider.runtime.errors import StageError
from airflow_ml_provider.runtime.stages.registered import fetch_version
from airflow_ml_provider.runtime.stages.serve.answers import valid_json
from airflow_ml_provider.runtime.stages.serve.counters import Counters
from airflow_ml_provider.runtime.stages.serve.request_log import RequestLog
from airflow_ml_provider.runtime.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Message, Receive, Send], Awaitable[None]]

DRAIN_SECONDS = 15.0
"""How long a server that received SIGTERM goes on: until then no new connection reaches it, and each answer closes its
connection, so that clients that keep one open move on by themselves."""
INVOCATIONS = "/invocations"


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

    options = request.options
    kept = RequestLog(options["log"], model=options["model"], share=options["sample"]) if options["sample"] else None
    tell_failures(model)
    app = Observed(scoring_server.init(model), kept)
    config = uvicorn.Config(
        app, host=options["host"], port=options["port"], access_log=False, log_level="warning", timeout_keep_alive=75
    )
    server = uvicorn.Server(config)
    _leave_slowly(server, app)
    shown = f"{options['model']['name']} version {options['model']['version']}"
    print(f"Serving {shown} at {options['host']}:{options['port']}", flush=True)
    try:
        server.run()
    finally:
        if kept is not None:
            kept.close()


_FAILED: ContextVar[list[str] | None] = ContextVar("failed", default=None)
"""Of one request: what the model raised. MLflow answers 400 to that, as to a request that is wrong."""


def tell_failures(model: Any) -> None:
    """Let it be known of a request when the model itself failed, and not what it was asked."""
    predict = model._predict_fn

    @functools.wraps(predict)
    def noted(*arguments: Any, **named: Any) -> Any:
        try:
            return predict(*arguments, **named)
        except Exception as error:
            if (failed := _FAILED.get()) is not None:
                failed.append(type(error).__name__)
            raise

    model._predict_fn = noted


def _leave_slowly(server: Any, app: Observed) -> None:
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


def _as_json(begun: Message, message: Message) -> tuple[Message, Message]:
    """Return an answer that begins, and its body, as JSON that every reader takes."""
    body = message.get("body", b"")
    valid = body if message.get("more_body") else valid_json(body)
    if valid is body:
        return begun, message
    others = [(name, value) for name, value in begun.get("headers", ()) if name != b"content-length"]
    headers = [*others, (b"content-length", str(len(valid)).encode())]
    return {**begun, "headers": headers}, {**message, "body": valid}


class Observed:
    """An ASGI application around another: counts its answers, adds ``/metrics``, keeps samples.

    Attributes:
        leaving: Whether each answer closes its connection, because the server ends soon.
    """

    def __init__(self, app: App, kept: RequestLog | None) -> None:
        self._app = app
        self._kept = kept
        self._counters = Counters()
        self.leaving = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == "/metrics":
            headers = [(b"content-type", b"text/plain; version=0.0.4"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": self._counters.text().encode()})
        else:
            await self._observed(scope, receive, send)

    async def _observed(self, scope: Message, receive: Receive, send: Send) -> None:
        counted = scope["path"] == INVOCATIONS
        sampled = counted and self._kept is not None and self._kept.wants_one()
        asked, said, status, started = bytearray(), bytearray(), 500, time.monotonic()
        failed: list[str] = []
        _FAILED.set(failed)
        if not any(name == b"content-type" for name, _ in scope["headers"]):
            scope = {**scope, "headers": [*scope["headers"], (b"content-type", b"application/json")]}

        async def received() -> Message:
            message = await receive()
            if sampled:
                asked.extend(message.get("body", b""))
            return message

        begun: Message | None = None

        async def sent(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status = 500 if failed else message["status"]
                begun = {**message, "status": status}
                if self.leaving:
                    begun = {**begun, "headers": [*begun.get("headers", ()), (b"connection", b"close")]}
                return
            if begun is not None:
                begun, message = _as_json(begun, message)
                await send(begun)
                begun = None
            if sampled:
                said.extend(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, received, sent)
        finally:
            seconds = time.monotonic() - started
            if counted:
                self._counters.count(status=status, seconds=seconds)
            if sampled and status == 200 and self._kept is not None:
                self._kept.add(bytes(asked), bytes(said), seconds=seconds)
