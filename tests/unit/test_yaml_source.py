"""YAML as this package reads it: one meaning or a mistake."""

import pytest
import yaml

from airflow_ml_provider.spec.documents.yaml_source import parse_yaml
from airflow_ml_provider.spec.documents.yaml_text import to_yaml
from airflow_ml_provider.spec.problems import SpecError


def read(text):
    return parse_yaml(text, file="x.yaml").value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.0e-3", 0.001),
        ("6.02e+23", 6.02e23),
        ("0", 0),
        ("0x1F", 31),
        ("-0.5", -0.5),
        ("y", "y"),
        ("n", "n"),
        ("'010'", "010"),
        ("'no'", "no"),
        ("1.2.3", "1.2.3"),
        ("12:61", "12:61"),
        ("true", True),
        ("~", None),
    ],
)
def test_values_with_one_reading_are_taken(text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    "text",
    ["no", "ON", "Yes", "off", "010", "-07", "1_000", "0b11", "12:30", "1e3", "1e-3", "1.5e3", ".5e3", "0o17", "08"],
)
def test_values_with_two_readings_are_mistakes_and_are_quoted_when_written(text):
    with pytest.raises(SpecError, match="YAML readers"):
        read(text)
    assert read(to_yaml({"key": text})) == {"key": text}


@pytest.mark.parametrize("text", ["!!int ''", "!!float ''", "!!timestamp 'x'", "!!bool x", "!!int 'a'"])
def test_a_tag_that_does_not_fit_its_value_is_a_mistake(text):
    with pytest.raises(SpecError, match="x.yaml:1:4"):
        read(f"k: {text}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{<<: *a, own: 1}", {"x": 1, "kk": 1, "own": 1}),
        ("{<<: [*a, *b]}", {"x": 1, "kk": 1, "z": 2}),
        ("{<<: [*b, *a]}", {"x": 2, "kk": 2, "z": 2}),
        ("{x: 5, <<: *a}", {"x": 5, "kk": 1}),
        ("{<<: *c}", {"x": 1, "kk": 1, "q": 3}),
    ],
)
def test_merged_keys_come_after_own_ones_and_the_first_counts(text, value):
    source = f"a: &a {{x: 1, kk: 1}}\nb: &b {{x: 2, kk: 2, z: 2}}\nc: &c {{<<: *a, q: 3}}\nm: {text}\n"
    assert read(source)["m"] == value


def test_a_merge_of_anything_else_is_a_mistake():
    with pytest.raises(SpecError, match="<< takes a mapping, or a list of mappings"):
        read("m: {<<: 3}")


def test_a_bomb_of_merges_is_bounded():
    text = "a0: &a0 {x: 1}\n" + "".join(
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], k{n}: 1}}\n" for n in range(1, 12)
    )
    with pytest.raises(SpecError, match="more than 50,000 values"):
        read(text)


def test_what_is_written_reads_as_it_was():
    value = {"text": "a\nb\n", "list": [1, "08", {"x": None}], "empty": {}, "umlaut": "ä", "long": "x" * 300}
    text = to_yaml(value)
    assert read(text) == yaml.safe_load(text) == value
