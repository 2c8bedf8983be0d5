"""Environments are JSON Merge Patches; defaults and variables come after them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_ml_provider.cli.pipelines.params import patch_of
from airflow_ml_provider.spec.documents.resolve import resolve
from airflow_ml_provider.spec.documents.yaml_source import parse_yaml
from airflow_ml_provider.spec.loading.load import load
from airflow_ml_provider.spec.problems import SpecError


def patched(target, patch):
    document = parse_yaml("{}", file="x.yaml")
    return resolve(
        type(document)(document.file, target, {}), environment=None, overlay=None, variables={}, patch=patch
    ).value


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        # RFC 7396, Appendix A, the cases whose documents are objects.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_patch_does_what_the_standard_says(target, patch, result):
    assert patched(target, patch) == result


PARTS = st.lists(
    st.one_of(
        st.just("tune.best_params"),
        st.dictionaries(st.sampled_from(["a", "b", "steps"]), st.integers(0, 9), max_size=3),
    ),
    min_size=1,
    max_size=4,
).filter(lambda parts: "tune.best_params" in parts)


@given(st.one_of(PARTS, st.just("tune.best_params")), st.sampled_from(["a", "steps", "new"]), st.integers(10, 99))
def test_a_param_that_is_changed_leaves_references_and_other_params_as_they_are(params, name, value):
    before = {"stages": {"train": {"kind": "train", "params": params}}}
    after = patched(before, {"stages": {"train": {"params": {name: value}}}})["stages"]["train"]["params"]
    parts = params if isinstance(params, list) else [params]
    assert [part for part in after if isinstance(part, str)] == [part for part in parts if isinstance(part, str)]

    def fixed(found):
        merged = {}
        for part in found:
            merged |= part if isinstance(part, dict) else {}
        return merged

    assert fixed(after) == {**fixed(parts), name: value}
    # What a reference brings comes before it.
    assert after[-1] == {name: value}


def test_a_param_that_is_a_mapping_is_changed_key_by_key():
    params = ["tune.best_params", {"opt": {"name": "adam", "lr": 1, "decay": 2}, "x": 1}]
    before = {"stages": {"train": {"kind": "train", "params": params}}}
    change = {"opt": {"lr": 5, "decay": None}, "new": {"a": None, "b": 1}}
    after = patched(before, {"stages": {"train": {"params": change}}})["stages"]["train"]["params"]
    assert after == ["tune.best_params", {"x": 1}, {"opt": {"name": "adam", "lr": 5}, "new": {"b": 1}}]


TUNED = """
pipeline: p
defaults: {params: {seed: 1}}
environments:
  staging: {stages: {train: {params: {steps: 5}}}}
stages:
  tune:
    kind: tune
    run: steps.code:train
    search: {rate: {float: [0, 1]}}
    objective: {metric: loss, direction: minimize}
  train:
    kind: train
    run: steps.code:train
    params: [tune.best_params, {steps: 3}]
"""


@pytest.mark.parametrize("door", ["environment", "overlay", "run"])
def test_every_door_changes_one_param_and_keeps_the_edge(write, door):
    path = write(TUNED)
    write("stages: {train: {params: {steps: 5}}}", "p.prod.yaml")
    patch = patch_of(["train.steps=5"]) if door == "run" else None
    loaded = load(path, environment={"environment": "staging", "overlay": "prod"}.get(door), patch=patch)
    train = loaded.spec.stages["train"]
    assert train.params == {"seed": 1, "steps": 5}
    assert loaded.spec.upstream("train") == {"tune"}
    assert str(loaded.document.position(("stages", "train", "params", 1))).rpartition("/")[2] == "p.yaml:15:14"
    place = str(loaded.document.position(("stages", "train", "params", 3, "steps")))
    written = {"environment": "p.yaml:5:39", "overlay": "p.prod.yaml:1:27", "run": "(given):1:1"}[door]
    assert place.rpartition("/")[2].startswith(written)
    gone = load(path, patch={"stages": {"train": {"params": {"steps": None}}}}).spec
    assert (gone.stages["train"].params, gone.upstream("train")) == ({"seed": 1}, {"tune"})


@pytest.fixture
def write(tmp_path):
    def written(text, name="p.yaml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return written


STAGE = "stages:\n  a: {kind: container, command: [x]}\n"


def test_an_environments_own_file_changes_the_pipeline_and_names_itself(write):
    path = write(f"pipeline: p\nretries: 1\n{STAGE}")
    write("retries: 5\nstages: {b: {kind: container, command: [y]}}\n", "p.prod.yaml")
    assert load(path).spec.retries == 1
    loaded = load(path, environment="prod")
    assert (loaded.spec.retries, list(loaded.spec.stages)) == (5, ["a", "b"])
    assert str(loaded.document.position(("retries",))).endswith("p.prod.yaml:1:1 (prod)")
    assert str(loaded.document.position(("stages", "b", "command"))).endswith("p.prod.yaml:2:31 (prod)")
    assert load(path, environment="other").spec.retries == 1


def test_an_environment_is_described_once(write):
    path = write(f"pipeline: p\nenvironments: {{prod: {{retries: 2}}}}\n{STAGE}")
    write("retries: 5\n", "p.prod.yaml")
    with pytest.raises(SpecError, match=r"p.yaml:2:16: .*'prod' is described here and in .*p.prod.yaml; keep one"):
        load(path, environment="prod")


def test_defaults_reach_the_stages_that_know_them(write):
    text = (
        "pipeline: p\ndefaults: {retries: 2, io: staged, image: base:1, pod: {labels: {a: b}}}\nstages:\n"
        "  i: {kind: ingest, uri: x}\n"
        "  a: {kind: container, command: [x], image: own:1, pod: {labels: {c: d}}, inputs: {x: i.data}}\n"
    )
    stages = load(write(text.replace(", io: staged", ""))).spec.stages
    assert (stages["i"].retries, stages["a"].retries) == (2, 2)
    assert (stages["i"].image, stages["a"].image) == ("base:1", "own:1")
    assert stages["a"].pod.labels == {"a": "b", "c": "d"}
    with pytest.raises(SpecError, match="stages.i: io: staged is for run and command"):
        load(write(text))


def test_variables_are_expanded_in_values_only(write):
    text = (
        'pipeline: p\ndescription: "${env:A}"\nimage: "${env:REPO}/x:${env:TAG:-1}"\n'
        'params: {day: "${env:A}", price: "$${env:A}", jinja: "{{ ds }}"}\nstages:\n'
        '  a: {kind: container, command: ["${env:A}", "${HOME}"], params: {q: ["${env:A}"]}, doc: "${env:A}"}\n'
    )
    spec = load(write(text), variables={"A": "a", "REPO": "r"}).spec
    assert (spec.description, spec.image) == ("${env:A}", "r/x:1")
    assert spec.params == {"day": "a", "price": "${env:A}", "jinja": "{{ ds }}"}
    assert spec.stages["a"].command == ["${env:A}", "${HOME}"]
    assert (spec.stages["a"].params, spec.stages["a"].doc) == ({"q": ["a"]}, "${env:A}")


def test_a_value_that_came_in_is_checked_like_any_other(write):
    path = write('pipeline: p\nimage: "${env:IMAGE}"\n' + STAGE)
    with pytest.raises(SpecError, match="p.yaml:2:1: image: 'Not An Image' is not an image name"):
        load(path, variables={"IMAGE": "Not An Image"})
    assert load(path, variables={"IMAGE": "a:1"}).spec.image == "a:1"


def test_all_that_is_wrong_is_reported_though_one_stage_has_no_shape(write, tmp_path):
    text = "pipeline: p\nstages:\n  a: {kind: containr}\n"
    text += "  b: {kind: container, command: [x], inputs: {y: a.data, z: c.q}}\n"
    with pytest.raises(SpecError) as caught:
        load(write(text))
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (3, "stages.a.kind"),
        (4, "stages.b.inputs.z"),
    ]


def test_a_file_is_named_as_it_was_given(write, monkeypatch, tmp_path):
    write("pipeline: q\n" + STAGE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match=r"^p.yaml:1:1: pipeline: the pipeline is called 'q'"):
        load(Path("p.yaml"))
