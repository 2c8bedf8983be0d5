"""Ten thousand mistyped pipelines: each is one that its author meant, or an error with a place; none is a traceback."""

import json
import time

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_ml_provider.spec.loading.load import load
from airflow_ml_provider.spec.problems import SpecError
from tests.fuzz.mutate import mutated
from tests.mistakes.mistake import CODE, GOOD, NAME, SUITE

SECONDS = 2.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("fuzz")
    (made / "steps").mkdir()
    (made / "steps" / "stages.py").write_text(CODE)
    (made / "suite.json").write_text(json.dumps(SUITE))
    return made


def outcome(content, folder):
    """Return a pipeline that was accepted, or the error; anything else that is raised fails the test."""
    (folder / NAME).write_bytes(content)
    started = time.perf_counter()
    try:
        found = load(folder / NAME, variables={"HOME": "/root"})
    except SpecError as error:
        found = error
    assert time.perf_counter() - started < SECONDS, content
    return found


def other_reader(text):
    """Return what PyYAML reads; its Python scanner refuses a tab after a colon, which YAML allows and libyaml reads."""
    try:
        return yaml.safe_load(text)
    except yaml.scanner.ScannerError:
        return yaml.load(text, Loader=yaml.CSafeLoader)


def require_sound(content, folder):
    found = outcome(content, folder)
    if isinstance(found, SpecError):
        assert found.problems
        for problem in found.problems:
            assert problem.message
            assert problem.line <= content.count(b"\n") + content.count(b"\r") + content.count(b"\xe2\x80") + 2
        return
    # What was accepted is what another reader of YAML reads too, with nothing left out.
    if b"${" not in content and b"defaults" not in content and b"environments" not in content:
        assert found.document.value == other_reader(content.decode()), content


@pytest.mark.parametrize("seed", range(8))
def test_eight_thousand_mutations_of_bytes(folder, seed):
    for content in mutated(1000, seed=seed):
        require_sound(content, folder)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(["train.model", "< 1"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=3),
    max_leaves=6,
)
PIPELINE = yaml.safe_load(GOOD)
PATHS = [
    *[(key,) for key in ("pipeline", "code", "stages", "schedule", "params", "tracking", "pod", "store", "defaults")],
    *[("stages", stage) for stage in PIPELINE["stages"]],
    *[("stages", stage, key) for stage, found in PIPELINE["stages"].items() for key in (*found, "resources", "pod")],
]


@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(PATHS), value=VALUES)
def test_two_thousand_wrong_values(folder, path, value):
    changed = yaml.safe_load(GOOD)
    target = changed
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    require_sound(yaml.safe_dump(changed, allow_unicode=True).encode("utf-8", "surrogatepass"), folder)
