from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_ml_provider.protocol.artifact import ARTIFACT_TYPES, ArtifactRef
from airflow_ml_provider.protocol.errors import ProtocolError
from airflow_ml_provider.protocol.request import StageRequest, Tracking
from airflow_ml_provider.protocol.result import EXIT_CODES, StageFailure, StageResult
from airflow_ml_provider.protocol.termination import (
    digest_in_message,
    result_digest,
    result_in_message,
    termination_message,
)

names = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)
refs = st.builds(
    ArtifactRef,
    uri=st.from_regex(r"s3://[a-z]{1,5}/[a-z/]{1,10}", fullmatch=True),
    digest=st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True),
    type=st.sampled_from(ARTIFACT_TYPES),
    size=st.integers(0, 2**60),
)
trackings = st.builds(
    Tracking, uri=st.text(max_size=20), run_id=st.text(max_size=20), experiment_id=st.text(max_size=5)
)


@st.composite
def requests(draw):
    keys = draw(st.lists(names, unique=True, max_size=6))
    inputs, outputs, params = keys[:2], keys[2:4], keys[4:]
    action = draw(st.sampled_from([{"run": "module:function"}, {"command": ("node", "stage.js")}, {"body": "ingest"}]))
    return StageRequest(
        kind=draw(names),
        pipeline=draw(st.text(max_size=10)),
        stage=draw(st.text(max_size=10)),
        dag_run=draw(st.text(max_size=10)),
        attempt="1.1",
        attempt_uri="memory://store/a",
        inputs={key: draw(refs) for key in inputs},
        outputs={key: draw(st.sampled_from(ARTIFACT_TYPES)) for key in outputs},
        params={key: draw(json_values) for key in params},
        options=draw(st.dictionaries(st.text(max_size=5), json_values, max_size=3)),
        code=draw(st.none() | refs),
        tracking=draw(st.none() | trackings),
        map_index=draw(st.integers(-1, 100)),
        **action,
    )


results = st.builds(
    StageResult,
    status=st.just("success"),
    attempt=st.text(max_size=5),
    metrics=st.dictionaries(st.text(max_size=10), st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    outputs=st.dictionaries(names, refs, max_size=3),
    values=st.dictionaries(st.text(max_size=5), json_values, max_size=3),
    seconds=st.floats(0, 1e6),
)
failures = st.builds(
    lambda failure, attempt: StageResult(status="failed", attempt=attempt, failure=failure),
    st.builds(
        StageFailure,
        category=st.sampled_from(sorted(EXIT_CODES)),
        type=st.text(max_size=10),
        message=st.text(max_size=50),
        traceback=st.text(max_size=50),
    ),
    st.text(max_size=5),
)


@given(requests())
def test_any_request_survives_the_round_trip(request):
    assert StageRequest.from_json(request.to_json()) == request


@given(results | failures)
def test_any_result_survives_the_round_trip(result):
    assert StageResult.from_json(result.to_json()) == result


def a_request(**changes):
    values = {
        "kind": "train",
        "pipeline": "p",
        "stage": "train",
        "dag_run": "r",
        "attempt": "1.1",
        "attempt_uri": "memory://s/1.1",
        "run": "m:f",
    }
    return StageRequest(**{**values, **changes})


def test_the_work_digest_ignores_the_attempt_and_nothing_else():
    first = a_request(params={"depth": 4})
    assert first.work_digest() == replace(first, attempt="2.1", attempt_uri="x", tracking=None).work_digest()
    assert first.work_digest() != replace(first, params={"depth": 5}).work_digest()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (a_request().to_json().replace('"protocol":1', '"protocol":2'), "speaks protocol 2"),
        (a_request().to_json().replace('"kind"', '"kinds"'), "unknown field 'kinds'"),
        ('{"kind": "train"}', "field 'pipeline' is missing"),
        (a_request().to_json().replace('"map_index":-1', '"map_index":"x"'), "map_index: expected int, got 'x'"),
        (a_request(params={"a": 1}).to_json().replace('{"a":1}', '{"a":NaN}'), "NaN is not a finite number"),
        ("[]", "expected an object"),
        ("{", "not valid JSON"),
        ("[" * 50_000, "not valid JSON"),
        (" " * 100_000, "98,304 are allowed"),
    ],
)
def test_a_bad_request_is_a_clear_error(text, message):
    with pytest.raises(ProtocolError, match=message):
        StageRequest.from_json(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"command": ("x",)}, "one of run and command, or a built-in body"),
        ({"run": None}, "one of run and command, or a built-in body"),
        ({"outputs": {"../x": "model"}}, "output name '../x' is not allowed"),
        ({"outputs": {"x": "modle"}}, "type 'modle', not one of"),
        ({"outputs": {"x": "model"}, "params": {"x": 1}}, "'x' is the name of an output and of a param"),
    ],
)
def test_a_request_that_makes_no_sense_cannot_be_built(changes, message):
    with pytest.raises(ProtocolError, match=message):
        a_request(**changes)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: 2}, {"a": {3}}])
def test_only_json_values_can_be_params(value):
    with pytest.raises(ProtocolError):
        a_request(params={"a": value}).to_json()


def test_a_request_has_a_size_limit():
    with pytest.raises(ProtocolError, match="pass large values as artifacts"):
        a_request(params={"a": "x" * 100_000}).to_json()


@pytest.mark.parametrize("change", [{"digest": "sha256:12"}, {"type": "thing"}, {"size": -1}, {"uri": "a\0b"}])
def test_a_forged_artifact_reference_is_refused(change):
    good = {"uri": "s3://a/b", "digest": "sha256:" + "0" * 64, "type": "model", "size": 1}
    assert ArtifactRef.from_plain(good).to_plain() == good
    with pytest.raises(ProtocolError):
        ArtifactRef.from_plain({**good, **change})


def test_a_small_result_travels_in_the_termination_message_and_a_large_one_by_digest():
    small = StageResult(status="success", attempt="1.1", metrics={"rmse": 1.5})
    message = termination_message(small)
    assert len(message.encode()) <= 1024
    assert (result_in_message(message), digest_in_message(message)) == (small, None)
    large = StageResult(status="success", attempt="1.1", metrics={f"metric_{n}": float(n) for n in range(100)})
    message = termination_message(large)
    assert len(message.encode()) <= 1024
    assert result_in_message(message) is None
    assert digest_in_message(message) == result_digest(large.to_json().encode())


@pytest.mark.parametrize(
    "message", ["", "Killed", "[]", "null", '{"status": "success"}', '{"result_digest": 3}', "[" * 9999]
)
def test_what_another_process_left_as_termination_message_is_no_result(message):
    assert result_in_message(message) is None
    assert digest_in_message(message) is None
