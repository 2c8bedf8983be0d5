"""A model that answers NaN: its own example says so, and answers stay JSON for every reader."""

import asyncio
import json

import pytest

from airflow_ml_provider.runtime.stages.serve.answers import undefined_in, valid_json
from airflow_ml_provider.runtime.stages.serve.counters import Counters
from airflow_ml_provider.runtime.stages.serve.observed import Observed


def refuse(text):
    raise AssertionError(text)


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ({"predictions": [1.5, float("nan"), float("-inf")]}, {"predictions": [1.5, None, None]}),
        ({"predictions": [{"a": float("inf"), "b": "NaN"}]}, {"predictions": [{"a": None, "b": "NaN"}]}),
        ({"predictions": ["NaN"]}, {"predictions": ["NaN"]}),
    ],
)
def test_an_answer_is_json_for_every_reader(answer, wanted):
    body = json.dumps(answer).encode()

    async def app(scope, receive, send):
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"{}"}

    scope = {"type": "http", "path": "/invocations", "headers": []}
    asyncio.run(Observed(app, counters=Counters(), kept=None)(scope, receive, send))
    start, content = sent
    assert json.loads(content["body"], parse_constant=refuse) == wanted
    assert dict(start["headers"])[b"content-length"] == str(len(content["body"])).encode()


def test_what_is_no_json_stays_as_it_is():
    assert valid_json(b"NaN is no {") == b"NaN is no {"


@pytest.mark.parametrize(
    ("answer", "odd"),
    [
        ('{"predictions": [1, NaN]}', "NaN"),
        ('{"predictions": [-Infinity]}', "-Infinity"),
        ('{"predictions": ["NaN"]}', ""),
    ],
)
def test_an_example_that_is_answered_with_nothing_is_named(answer, odd):
    assert undefined_in(answer) == odd
