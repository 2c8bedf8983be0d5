"""What cannot be a metric costs no training: it is left out or marked, loudly; a gate on it fails."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from airflow_ml_provider.decisions.models.champion import Tolerance, compare
from airflow_ml_provider.decisions.models.gate import judge
from airflow_ml_provider.protocol.metrics import METRIC_LIMIT, UNDEFINED, all_metrics, metric_name
from airflow_ml_provider.protocol.result import RESULT_LIMIT_BYTES, StageResult
from airflow_ml_provider.runtime.errors import ContractError
from airflow_ml_provider.runtime.metrics import as_metrics
from tests.live.attempts import Attempts

CODE = """
def train(data, model, *, rate: float = 0.1, steps: int = 3, name=None, report=None, where=print):
    model.write_text("weights")
    return {RETURNED}
"""
ODD = {
    'float("nan")': ({}, {"loss": "NaN"}, "metric 'loss' is NaN: no gate and no comparison accepts it"),
    'float("inf")': ({}, {"loss": "Infinity"}, "metric 'loss' is Infinity"),
    '-float("inf")': ({}, {"loss": "-Infinity"}, "metric 'loss' is -Infinity"),
    "[1, 2]": ({}, {}, "metric 'loss' is [1, 2] (list): it is not a number, and is left out"),
    '"low"': ({}, {}, "metric 'loss' is 'low' (str): it is not a number"),
}


@pytest.fixture
def attempts(tmp_path):
    return Attempts(tmp_path)


@pytest.mark.parametrize("value", ODD)
def test_an_odd_metric_costs_no_training(attempts, value):
    kept, undefined, says = ODD[value]
    code = attempts.code(CODE.replace("{RETURNED}", f'{{"loss": {value}, "rows": 3}}'))
    request = attempts.request(run="mycode.stages:train", code=code)
    process = attempts.start(request)
    printed, errors = process.communicate(timeout=60)
    result = attempts.result(request)
    assert (process.returncode, result.failure) == (0, None), errors
    assert (dict(result.metrics), result.values.get(UNDEFINED, {})) == ({**kept, "rows": 3.0}, undefined)
    assert list(result.outputs) == ["model"]
    assert f"WARNING: mycode.stages:train: {says}" in printed
    strict = attempts.run(run="mycode.stages:train", code=code, options={"strict_metrics": True})[1]
    assert (strict.failure.category, strict.outputs) == ("contract", {})
    assert says in strict.failure.message


@pytest.mark.parametrize("returned", ["'done'", "[1, 2]", "model"])
def test_what_is_no_mapping_costs_no_training(attempts, returned):
    code = attempts.code(CODE.replace("{RETURNED}", returned))
    _, result, _ = attempts.run(run="mycode.stages:train", code=code)
    assert (result.failure, dict(result.metrics), list(result.outputs)) == (None, {}, ["model"])


def test_what_a_function_takes_by_default_is_reported(attempts):
    code = attempts.code(CODE.replace("{RETURNED}", "{}"))
    _, result, _ = attempts.run(run="mycode.stages:train", code=code, params={"steps": 7})
    assert result.values["default_params"] == {"rate": 0.1, "name": None}


def test_a_command_leaves_odd_metrics_and_defaults_too(attempts):
    left = '{"metrics": {"acc@5": 0.5, "loss": NaN}, "default_params": {"k": 5}}'
    script = f"echo x > $AIRFLOW_ML_OUTPUT_MODEL; echo '{left}' > $AIRFLOW_ML_RESULT"
    _, result, errors = attempts.run(command=("sh", "-c", script))
    assert result.failure is None, errors
    assert (dict(result.metrics), dict(result.values)) == (
        {"acc_5": 0.5},
        {UNDEFINED: {"loss": "NaN"}, "default_params": {"k": 5}},
    )


def test_of_too_many_metrics_the_first_are_kept(capsys):
    found = as_metrics({f"metric_{number}": number for number in range(5000)}, source="f")
    assert list(found.kept) == [f"metric_{number}" for number in range(METRIC_LIMIT)]
    assert "of 5,000 metrics 1,000 are kept" in capsys.readouterr().out
    long = as_metrics({f"{number:0250}": 1 / 3 for number in range(1000)}, source="f")
    result = StageResult(status="success", attempt="1.1", metrics=long.kept)
    assert 100 < len(long.kept) < 1000
    assert len(result.to_json()) < RESULT_LIMIT_BYTES


def test_numbers_of_numpy_are_numbers():
    given = {"f32": np.float32(1.5), "i64": np.int64(3), "flag": np.bool_(True), "array": np.array(2.0)}
    assert as_metrics(given, source="f").kept == {"f32": 1.5, "i64": 3.0, "flag": 1.0, "array": 2.0}


@given(st.lists(st.text(max_size=300), unique=True, max_size=8))
def test_every_name_is_one_that_mlflow_takes_and_no_two_are_one(names):
    found = as_metrics(dict.fromkeys(names, 1.0), source="f")
    assert len(found.kept) == len(names)
    for name in found.kept:
        _validate_metric_name(name)


@pytest.mark.parametrize("name", ["acc_5", "val/loss", "f1 macro", "a.b-c:d"])
def test_a_good_name_stays_as_it_is(name):
    assert metric_name(name) == name


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("rule", ["< 20", ">= 0.8", "< other", "> other"])
def test_a_gate_on_a_metric_that_is_not_finite_fails(number, rule):
    found = as_metrics({"loss": number, "other": 3.0}, source="f")
    metrics = all_metrics(found.kept, found.values)
    assert metrics["loss"] == number or math.isnan(number)
    assert not judge({"loss": rule}, metrics).passed
    assert not judge({"other": "< loss"}, metrics).passed
    for mine, theirs in ((metrics, {"loss": 1.0}), ({"loss": 1.0}, metrics)):
        verdict = compare(
            {"loss": Tolerance.parse("at most 1% worse")},
            {"loss": "lower"},
            challenger=mine,
            champion=theirs,
            name="m",
            intervals={},
        )
        assert not verdict.passed


def test_a_gate_finds_a_metric_by_the_name_that_the_code_gave():
    assert judge({"acc@5": "> 0.4"}, as_metrics({"acc@5": 0.5}, source="f").kept).passed


def test_strictness_names_what_cannot_be_kept():
    with pytest.raises(ContractError, match=r"strict_metrics: metric 'acc@5' is kept as 'acc_5'"):
        as_metrics({"acc@5": 0.5}, source="f", strict=True)
