"""What a server answers: counted, kept in samples, as JSON that every reader takes."""

from __future__ import annotations

import functools
import json
import time
import traceback
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.runtime.stages.serve.admission import INVOCATIONS
from airflow_ml_provider.runtime.stages.serve.answers import valid_json

if TYPE_CHECKING:
    from airflow_ml_provider.runtime.stages.serve.admission import App, Message, Receive, Send
    from airflow_ml_provider.runtime.stages.serve.counters import Counters
    from airflow_ml_provider.runtime.stages.serve.request_log import RequestLog

_MESSAGE_LENGTH = 1_000
_TRACE_SECONDS = 60.0
_UNSEEN = "Found unknown categories"
"""What scikit-learn's encoders say of a category that they are told to refuse (``handle_unknown="error"``):
https://scikit-learn.org/stable/modules/generated/sklearn.preprocessing.OneHotEncoder.html"""


class _Call:
    """One request's way into the model."""

    def __init__(self) -> None:
        self.reached = False
        self.failure: Exception | None = None


_CALL: ContextVar[_Call | None] = ContextVar("call", default=None)


def note_calls(model: Any) -> None:
    """Let it be known of a request whether the model was called, and what it raised; MLflow answers 400 to all that."""
    predict = model._predict_fn

    @functools.wraps(predict)
    def noted(*arguments: Any, **named: Any) -> Any:
        call = _CALL.get() or _Call()
        call.reached = True
        try:
            return predict(*arguments, **named)
        except Exception as error:
            call.failure = error
            raise

    model._predict_fn = noted


def is_the_clients(error: Exception) -> bool:
    """Whether a model says by what it raises that the request is wrong: MLflow's exception with a status below 500.

    An unseen category is one, where an encoder of scikit-learn was made to refuse it.
    """
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return bool(error.get_http_status_code() < 500)
    return isinstance(error, ValueError) and str(error).startswith(_UNSEEN)


class Observed:
    """An ASGI application around MLflow's: counts its answers, keeps samples, and says no more than a client needs.

    Args:
        app: MLflow's, which gets each body in one message.
        counters: What is counted.
        kept: Where samples go.
    """

    def __init__(self, app: App, *, counters: Counters, kept: RequestLog | None) -> None:
        self._app = app
        self._counters = counters
        self._kept = kept
        self._traced = 0.0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] != INVOCATIONS:
            await self._app(scope, receive, send)
            return
        started, call, status = time.monotonic(), _Call(), 500
        _CALL.set(call)
        asked = await receive()
        answer: MutableMapping[str, Any] = {}
        said = bytearray()

        async def received() -> Message:
            nonlocal asked
            message, asked = asked, {}
            return message or await receive()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.update(message)
            else:
                said.extend(message.get("body", b""))

        body = asked["body"]
        try:
            await self._app(scope, received, sent)
            status = self._status(answer["status"], call)
            await self._send(answer, bytes(said), status, send)
        finally:
            seconds = time.monotonic() - started
            self._counters.count(status=status, seconds=seconds)
            if self._kept is not None and status == 200 and self._kept.wants_one():
                self._kept.add(body, bytes(said), seconds=seconds)

    def _status(self, status: int, call: _Call) -> int:
        if call.failure is not None:
            if is_the_clients(call.failure):
                return 400
            self._trace(call.failure)
            return 500
        # What is wrong before the model is called is wrong with the request.
        return 400 if status >= 500 and status != 504 and not call.reached else status

    def _trace(self, failure: Exception) -> None:
        if time.monotonic() - self._traced > _TRACE_SECONDS or not self._traced:
            self._traced = time.monotonic()
            print(f"The model failed:\n{''.join(traceback.format_exception(failure))}", flush=True)

    async def _send(self, answer: Message, said: bytes, status: int, send: Send) -> None:
        body = valid_json(said) if status < 400 else _without_trace(said)
        others = [(name, value) for name, value in answer.get("headers", ()) if name != b"content-length"]
        headers = [*others, (b"content-length", str(len(body)).encode())]
        await send({**answer, "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _without_trace(said: bytes) -> bytes:
    """Return MLflow's error without the server's stack, and without the whole request in it."""
    try:
        found = json.loads(said)
    except ValueError:
        return said[:_MESSAGE_LENGTH]
    if not isinstance(found, dict):
        return said[:_MESSAGE_LENGTH]
    shown = {key: str(found[key])[:_MESSAGE_LENGTH] for key in ("error_code", "message") if key in found}
    return json.dumps(shown).encode()
