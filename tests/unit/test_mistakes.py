"""Every kind of mistake is told with its place; the page of mistakes and the JSON Schema say the same."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

from airflow_ml_provider.spec.schema import SCHEMA_FILE, json_schema
from tests.mistakes.cases import SECTIONS
from tests.mistakes.mistake import GOOD, NAME, told
from tests.mistakes.page import PAGE, page

ROOT = Path(__file__).parents[2]
MISTAKES = [mistake for section in SECTIONS.values() for mistake in section]
SCHEMA = jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_a_mistake_is_reported_with_its_place(mistake, tmp_path):
    text = told(mistake, tmp_path)
    assert text.startswith(NAME)
    assert "Traceback" not in text
    assert len(text.splitlines()[0]) < 500


def test_a_pipeline_without_mistakes_is_reported_nothing(tmp_path):
    assert told(type(MISTAKES[0])("nothing", "", GOOD), tmp_path) == ""


def test_the_page_of_mistakes_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "make generated writes it anew"
    assert len(MISTAKES) >= 60
    assert len({mistake.title for mistake in MISTAKES}) == len(MISTAKES)


def test_the_wheel_ships_the_schema_that_the_models_give():
    shipped = json.loads((files("airflow_ml_provider.spec") / SCHEMA_FILE).read_text())
    assert shipped == json_schema(), "make generated writes it anew"


def plain(text):
    """Read YAML as an editor does: dates are text."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith("timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return yaml.load(text, Loader)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_the_schema_finds_what_the_page_says_it_finds(mistake):
    try:
        value = plain(mistake.content)
    except (yaml.YAMLError, ValueError, RecursionError):
        assert not mistake.in_schema
        return
    if mistake.shown or mistake.title in ("an alias that holds itself", "a list", "an empty file"):
        return
    assert bool(list(SCHEMA.iter_errors(value))) == mistake.in_schema


@pytest.mark.parametrize(
    "path",
    [
        *ROOT.glob("example_dags/*/pipeline.yaml"),
        *ROOT.glob("tests/golden/*/pipeline.yaml"),
        ROOT / "airflow_ml_provider/cli/scaffold/pipeline.yaml",
    ],
    ids=lambda path: path.parent.name,
)
def test_the_schema_finds_nothing_in_an_example(path):
    assert list(SCHEMA.iter_errors(plain(path.read_text()))) == []


def test_every_key_has_a_description_and_an_example():
    schema = json_schema()
    for name, definition in {**schema["$defs"], "pipeline": schema}.items():
        for key, found in definition.get("properties", {}).items():
            assert found.get("description"), f"{name}.{key}"
            assert found.get("examples") or name == "Stage", f"{name}.{key}"


def test_every_example_of_a_key_fits_its_own_schema():
    schema = json_schema()
    for name, definition in {**schema["$defs"], "pipeline": schema}.items():
        for key, found in definition.get("properties", {}).items():
            checker = SCHEMA.evolve(schema={**found, "$defs": schema["$defs"]})
            for example in found.get("examples", ()):
                assert list(checker.iter_errors(example)) == [], f"{name}.{key}: {example!r}"
