"""A template that is a whole value is what its expression is worth; text stays text; the sandbox holds."""

import pytest
from airflow.sdk import DAG
from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import SecurityError

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.execution.stage_request import stage_request
from airflow_ml_provider.operators import TrainOperator
from tests.settled import settled

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def rendered(params, **fields):
    with DAG("d", schedule=None):
        task = TrainOperator(task_id="t", **{"run": "a:b", **fields})
    task.render_template_fields({"params": params, "dag": task.dag, "task": task})
    return task


@given(JSON)
def test_any_json_value_reaches_the_code_as_it_is(value):
    params = {"x": "{{ params.x }}", "deep": [{"y": "{{- params.x -}}"}], "text": "<{{ params.x }}>", "own": "1_1"}
    task = rendered({"x": value}, hyperparameters=params)
    assert task.hyperparameters == {"x": value, "deep": [{"y": value}], "text": f"<{value}>", "own": "1_1"}
    assert type(task.hyperparameters["x"]) is type(value)


@pytest.mark.parametrize(
    ("template", "worth"),
    [
        ("{{ params.n + 1 }}", 5),
        ("{{-1}}", 1),
        ("{{ -1 }}", -1),
        ("{{ [params.n, 'a'] }}", [4, "a"]),
        ("{{ '1_1' }}", "1_1"),
        ("{{ params.n }} ", "4 "),
        ("{{ params.n, 2 }}", "(4, 2)"),
        ("{{ params.n }}{{ params.n }}", "44"),
        ("{% if true %}{{ params.n }}{% endif %}", "4"),
        ("{{ '}}' }}", "}}"),
        ("{# no #}{{ params.n }}", "4"),
    ],
)
def test_what_is_an_expression_and_what_is_text(template, worth):
    assert rendered({"n": 4}, hyperparameters={"x": template}).hyperparameters == {"x": worth}


def test_what_has_no_json_is_text():
    import datetime as dt

    day = dt.date(2024, 5, 1)
    assert rendered({"day": day}, hyperparameters={"x": "{{ params.day }}"}).hyperparameters == {"x": "2024-05-01"}


def test_fields_of_text_stay_text_and_null_is_null():
    task = rendered({"n": 4, "none": None}, command=["x", "{{ params.n }}"], run=None, image="{{ none }}")
    assert (task.command, task.image) == (["x", "4"], None)
    task = rendered({"none": None}, command=["x", "{{ params.none }}"], run=None)
    with pytest.raises(StageConfigurationError, match="command has None, not a text: does a template in it give null"):
        stage_request(settled(task), None, store=object())


def test_the_sandbox_holds():
    with pytest.raises(SecurityError):
        rendered({}, hyperparameters={"x": "{{ ''.__class__.__mro__[1].__subclasses__() }}"})
