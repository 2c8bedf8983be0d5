"""Every mistake in a pipeline file is told with line and column, all at once."""

import json
import textwrap

import pytest

from airflow_ml_provider.spec.documents.yaml_source import read_yaml
from airflow_ml_provider.spec.loading.load import load_pipeline
from airflow_ml_provider.spec.problems import SpecError
from tests.mistakes.mistake import GOOD, SUITE


@pytest.fixture
def write(tmp_path):
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "stages.py").write_text(
        "def train(**given): ...\ndef evaluate(**given): return measured(given)\n"
    )
    (tmp_path / "suite.json").write_text(json.dumps(SUITE))

    def written(text, name="demo.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return path

    return written


def test_a_good_file_is_a_pipeline(write):
    spec = load_pipeline(write(GOOD))
    assert list(spec.stages) == ["ingest", "check", "train", "evaluate", "register"]
    assert spec.upstream("register") == {"train", "evaluate"}
    assert spec.stages["train"].output_types() == {"model": "model"}


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("pipeline: demo", "pipelin: demo", "1:1", "unknown key 'pipelin'; known are pipeline,"),
        ("pipeline: demo", "pipeline: other", "1:1", "its file stands for 'demo'"),
        ("    suite:", "    suites:", "10:5", "unknown key 'suites'; known are kind, needs, retries"),
        ("    suite:", "    suites:", "10:5", "did you mean 'suite'?"),
        ("    suite: suite.json\n", "", "7:3", "key 'suite' is missing"),
        ("kind: train", "kind: trian", "12:5", "unknown kind 'trian'; known are ingest, validate"),
        ("kind: train", "kind: trian", "12:5", "did you mean 'train'?"),
        ("    kind: train\n", "", "11:3", "key 'kind' is missing"),
        ("check.data}", "check.date}", "14:14", "stage 'check' has no output 'date'; it has data, report"),
        ("check.data}", "chek.data}", "14:14", "there is no stage 'chek'"),
        ("check.data}", "chek.data}", "14:14", "did you mean 'check'?"),
        ("check.data}", "check}", "14:14", "'check' is not a reference: write stage.output"),
        ("check.data}", "sources.flights}", "14:14", "there is no source 'flights'; there is none"),
        (
            "\n    model: train.model",
            "\n    model: check.report",
            "23:5",
            "check.report is a report, a model is wanted",
        ),
        ("needs: [evaluate]", "needs: [evaluat]", "25:13", "there is no stage 'evaluat'"),
        ("uri: data/*.csv", "uri: x\n    needs: [train]", "4:3", "wait for each other: ingest -> "),
        ("code: ./steps", "code: ./step", "2:1", "there is no folder"),
        ("run: steps.stages:train", "run: steps.stage:train", "13:5", "there is no file"),
        ("run: steps.stages:train", "run: train", "13:5", "'train' is not an entry point: write module:function"),
        ("    run: steps.stages:train\n", "", "11:3", "nothing to run"),
        ("suite: suite.json", "suite: nope.json", "10:5", "does not exist"),
        ("suite: suite.json", "suite: steps/stages.py", "10:5", "stages.py:1:1 is not JSON"),
        ('"< 20"', '"20"', "20:12", "'20' is not a threshold"),
        ("{depth: 4}", "{train: 4}", "11:3", "'train' names two of input, output and param"),
        ("{depth: 4}", "{1x: 4}", "15:14", "name '1x' is not allowed"),
        ("kind: train", "kind: train\n    outputs: {model: modle}", "13:15", "'modle' is not an artifact type"),
        ("kind: train", "kind: train\n    retries: many", "13:5", "a whole number is wanted, got 'many'"),
        ("kind: train", "kind: train\n    timeout: 3 weeks", "13:5", "'3 weeks' is not a duration"),
        (
            "kind: train",
            "kind: train\n    runner: kubernets",
            "13:5",
            "'kubernets' is not allowed; allowed are local, kubernetes",
        ),
        ("kind: train", "kind: train\n    resources: {cpus: 2}", "13:17", "unknown key 'cpus'; known are cpu, memory"),
        ("kind: train", "kind: train\n    kind: train", "13:5", "key 'kind' is written twice"),
        ("kind: train", "kind: train\n\tretries: 1", "13:1", "the line holds a tab"),
        ("kind: train", "kind: [train", "13:8", "no valid YAML"),
        ("kind: train", "kind: !!python/name:os.system train", "12:11", "tag 'python/name:os.system' is not allowed"),
    ],
)
def test_a_mistake_names_line_column_and_what_is_allowed(write, old, new, place, message):
    assert GOOD.count(old) >= 1
    path = write(GOOD.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        load_pipeline(path)
    found = [problem for problem in map(str, caught.value.problems) if message in problem]
    assert found, str(caught.value)
    assert found[0].startswith(f"{path}:{place}: "), found[0]


def test_a_mistake_shows_its_line_with_a_caret(write):
    path = write(GOOD.replace("suite:", "suites:"))
    with pytest.raises(SpecError) as caught:
        load_pipeline(path)
    assert "   10 |     suites: suite.json\n      |     ^" in str(caught.value)


def test_all_mistakes_are_reported_at_once(write):
    text = GOOD.replace("check.data}", "chek.data}").replace("needs: [evaluate]", "needs: [evaluat]")
    with pytest.raises(SpecError) as caught:
        load_pipeline(write(text.replace("suite.json", "nope.json")))
    assert [problem.line for problem in caught.value.problems] == [10, 14, 25]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"- a\n", "a pipeline is a mapping"),
        (b"\xff\xfe", "the file is not UTF-8: byte 0 is 0xff"),
        (b"a: " + b"x" * 1_100_000, "1,048,576 are allowed"),
        (b"[" * 5000, "no valid YAML"),
        (
            b"a: &a [x]\n" + b"".join(b"%c: &%c [%s]\n" % (n + 1, n + 1, b"*%c," % n * 9) for n in range(97, 110)),
            "more than 50,000",
        ),
        (b"a: &a {b: *a}", "levels once its aliases are expanded"),
        (b"? [a]\n: 1\n", "a key must be plain text"),
    ],
)
def test_a_hostile_file_is_an_error_in_bounded_time(write, content, message):
    with pytest.raises(SpecError, match=message):
        load_pipeline(write(content))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        read_yaml(tmp_path / "nope.yaml")


def test_anchors_and_merges_work(write):
    text = "x: &x {a: 1}\ny: {<<: *x, b: 2}\n"
    assert read_yaml(write(text)).value == {"x": {"a": 1}, "y": {"b": 2, "a": 1}}
