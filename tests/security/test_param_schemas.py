"""Which params are schemas, and which of those are closed by their author."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_ml_provider.decisions.trust.param_schemas import MISSING, is_anchored, is_closed, param_of


@pytest.mark.parametrize(
    "value", [1, "text", None, [1], {"depth": 3}, {"type": "adam", "rate": 0.1}, {}, {"default": 3, "title": "T"}]
)
def test_what_is_no_schema_is_a_value(value):
    found = param_of(value)
    assert (found.default, found.schema, found.is_closed) == (value, {}, False)


def test_a_schema_has_a_default_and_says_which_values_there_are():
    found = param_of({"type": "string", "pattern": "^[a-z]+$", "default": "raw", "title": "T", "description": "What"})
    assert (found.default, found.description) == ("raw", "What")
    assert found.schema == {"type": "string", "pattern": "^[a-z]+$", "title": "T"}
    with pytest.raises(ValueError, match="'RAW' does not match"):
        found.check("RAW")
    found.check("other")
    assert param_of({"enum": ["a", "b"]}).default is MISSING
    assert param_of({"type": "object", "default": {"type": "adam"}}).default == {"type": "adam"}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"type": "adam"}, "'adam' is not a type: write array, .* is {type: object, default"),
        ({"type": "string", "pattern": 3}, "pattern: 3 is not of type 'string': that is not a JSON Schema"),
        ({"type": "string", "pattern": "("}, "pattern: .* is not a 'regex'"),
        ({"type": "integer", "default": "x"}, "default: 'x' is not of type 'integer'"),
        ({"type": "integer", "minimum": 1, "default": 0}, "default: 0 is less than the minimum of 1"),
        ({"enum": [], "default": 1}, "default: 1 is not one of"),
        ({"type": "string", "description": 3}, "description is 3: write text"),
    ],
)
def test_a_schema_that_is_wrong_is_refused(value, says):
    with pytest.raises(ValueError, match=says):
        param_of(value)


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        ({"enum": ["a"]}, True),
        ({"const": "a"}, True),
        ({"type": "integer"}, True),
        ({"type": ["number", "null"]}, True),
        ({"type": "boolean"}, True),
        ({"type": "string"}, False),
        ({"type": "string", "pattern": "^a$"}, True),
        ({"type": ["string", "null"], "pattern": "^a$"}, True),
        ({"pattern": "^a$"}, False),
        ({"type": ["string", "object"], "pattern": "^a$"}, False),
        ({"type": "string", "pattern": "a"}, False),
        ({"type": "string", "pattern": "^a"}, False),
        ({"type": "string", "pattern": "^a|b$"}, False),
        ({"type": "string", "pattern": "^(a|b)$"}, True),
        ({"type": "string", "pattern": "^[|a]$"}, True),
        ({"type": "string", "pattern": r"^a\|b$"}, True),
        ({"type": "string", "pattern": r"^a\$"}, False),
        ({"type": "string", "minLength": 1, "maxLength": 3}, False),
        ({"type": "string", "format": "date-time"}, False),
        ({"type": "array", "items": {"enum": ["a"]}}, True),
        ({"type": "array", "items": {"type": "string"}}, False),
        ({"type": "array"}, False),
        ({"type": "object"}, False),
        ({}, False),
    ],
)
def test_closed(schema, closed):
    assert is_closed(schema) is closed


@given(st.text(alphabet="ab|()[]\\^$", max_size=8), st.text(alphabet="ab/.", max_size=4))
def test_what_an_anchored_pattern_takes_it_takes_whole(middle, around):
    import re
    import warnings

    pattern = f"^{middle}$"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            compiled = re.compile(pattern)
    except re.error:
        return
    if is_anchored(pattern) and "^" not in middle and "$" not in middle:
        for text in (f"{around}a", f"a{around}", f"{around}{middle}{around}"):
            if found := compiled.search(text):
                assert found[0] == text
