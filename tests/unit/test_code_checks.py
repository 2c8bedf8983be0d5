"""What is read of user code: mistakes are told, and code that may be right is left alone."""

import pytest

from airflow_ml_provider.spec.loading.load import load
from airflow_ml_provider.spec.problems import SpecError

PIPELINE = """\
pipeline: p
code: ./steps
stages:
  i: {kind: ingest, uri: x}
  t: {kind: train, run: steps.stages:train, inputs: {data: i.data}}
"""


@pytest.fixture
def checked(tmp_path):
    """What is said of a module with the function of stage t."""

    def of(code, pipeline=PIPELINE):
        (tmp_path / "steps").mkdir(exist_ok=True)
        (tmp_path / "steps" / "stages.py").write_text(code)
        (tmp_path / "p.yaml").write_text(pipeline)
        try:
            return [(found.severity, found.message) for found in load(tmp_path / "p.yaml").warnings]
        except SpecError as error:
            return [(found.severity, found.message) for found in error.problems]

    return of


@pytest.mark.parametrize(
    "code",
    [
        "def train(data, model): ...",
        "def train(data, model, *, depth=3): ...",
        "async def train(data, model): ...",
        "def train(**given): ...",
        "@decorated\ndef train(anything): ...",
        "from functools import partial\ndef train(data, model, config): ...\ntrain = partial(train, config=1)",
        "def train(x): ...\nfrom .other import train",
        "if x:\n    def train(a): ...\nelse:\n    def train(b): ...",
        "from .other import *",
        "from .other import train",
        "from .other import fit as train",
        "import train",
        "train = make()",
        "class train:\n    def __init__(self, data, model): ...",
        "globals()['train'] = 1",
        "def __getattr__(name): ...",
        "match x:\n    case [train]: ...",
        "try: ...\nexcept E as train: ...",
    ],
)
def test_code_that_may_be_right_is_left_alone(checked, code):
    assert checked(code) == []


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def fit(data, model): ...", "has no function 'train'; it has fit"),
        ("def train(data): ...", "has no argument 'model'; it has data"),
        ("def train(data, model, depth): ...", "needs 'depth': name it among inputs, outputs or params"),
        ("def train(data, model, /): ...", "has no argument 'data'; it has none"),
        ("def train(data, model, depth, rate): ...", "needs 'depth', 'rate': name them"),
    ],
)
def test_code_that_cannot_be_right_is_reported(checked, code, says):
    assert any(severity == "error" and says in message for severity, message in checked(code)), checked(code)


def test_code_of_a_newer_python_is_a_warning_only(checked):
    ((severity, message),) = checked("def train[T](data: T, model): ...\nthis is none at all")
    assert severity == "warning"
    assert "is not Python 3." in message


def test_code_that_no_parser_takes_is_reported(checked, tmp_path):
    assert checked("x = " + "-" * 100_000 + "1")[0][1].startswith(f"{tmp_path}/steps/stages.py cannot be read: ")


def test_user_code_is_never_run(checked, tmp_path):
    code = f"open({str(tmp_path / 'ran')!r}, 'w')\ndef train(data, model): ..."
    assert checked(code) == []
    assert not (tmp_path / "ran").exists()


EVALUATE = PIPELINE + '  e: {kind: evaluate, run: steps.stages:judge, inputs: {model: t.model}, gate: {rmse: "< 1"}}\n'


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('return {"rmse": 1.0}', False),
        ("return dict(rmse=1.0)", False),
        ("return {**found}", False),
        ("return found", False),
        ("return dict(found)", False),
        ("if x:\n        return {}\n    return {'rmse': 1}", False),
        ("yield 1", False),
        ('return {"mae": 1.0}', True),
        ("return None", True),
        ("def inner():\n        return {'rmse': 1}\n    return {'mae': 2}", True),
    ],
)
def test_a_gate_asks_for_a_metric_that_is_returned(checked, body, told):
    found = checked(f"def train(data, model): ...\ndef judge(model):\n    {body}\n", EVALUATE)
    assert bool(found) == told
    assert all("returns no metric 'rmse'" in message for _, message in found)
