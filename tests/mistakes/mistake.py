"""What a mistake in a pipeline is, and the pipeline that it is made in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from airflow_ml_provider.spec.loading.load import load
from airflow_ml_provider.spec.problems import SpecError

NAME = "demo.yaml"
GOOD = """\
pipeline: demo
code: ./steps
stages:
  ingest:
    kind: ingest
    uri: data/*.csv
  check:
    kind: validate
    inputs: {data: ingest.data}
    suite: suite.json
  train:
    kind: train
    run: steps.stages:train
    inputs: {train: check.data}
    params: {depth: 4}
  evaluate:
    kind: evaluate
    run: steps.stages:evaluate
    inputs: {model: train.model}
    gate: {rmse: "< 20"}
  register:
    kind: register
    model: train.model
    name: demo
    needs: [evaluate]
"""
CODE = """\
def train(train, model, depth=6): ...


def evaluate(model):
    return {"rmse": 1.0, "mae": 2.0}


def evaluate_depth(*, depth):
    return {"rmse": 1.0, "mae": 2.0}
"""
TUNE = """\
  tune:
    kind: tune
    run: steps.stages:evaluate_depth
    search: {depth: {int: [2, 12]}}
    objective: {metric: rmse, direction: minimize}
"""
SUITE = {"name": "s", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "a"}}]}


@dataclass(frozen=True)
class Mistake:
    """One mistake in a pipeline that has no other.

    Attributes:
        title: What kind of mistake.
        old: What is replaced in GOOD; empty when ``new`` is the whole file.
        new: What stands there instead.
        in_schema: Whether an editor that has the JSON Schema shows it too.
        environment: The environment that is asked for.
        shown: What the page shows instead of a content that cannot be printed.
    """

    title: str
    old: str
    new: str | bytes
    in_schema: bool = False
    environment: str | None = None
    shown: str = ""

    @property
    def content(self) -> bytes:
        """The file."""
        if isinstance(self.new, bytes):
            return self.new
        return (GOOD.replace(self.old, self.new, 1) if self.old else self.new).encode()


TRAIN = "    kind: train\n"


SOURCE = """\
pipeline: demo
schedule: {data: raw}
sources:
  raw: {uri: data/*.csv, settle: 2m}"""


def of(source: str) -> str:
    """Return the beginning of a pipeline with such a source."""
    return SOURCE.replace("uri: data/*.csv, settle: 2m", source)


def beside_train(line: str) -> str:
    """Return the beginning of stage train with a line more."""
    return f"{TRAIN}    {line}\n"


GATE = '    gate: {rmse: "< 20"}\n'


APPROVED = "    needs: [evaluate]\n"
APPROVE = "  approve: {kind: approve, model: train.model}\n"


def served(more: str) -> str:
    """Return a stage of kind serve with one key more, behind the stage before it."""
    return f"{APPROVED}  serve: {{kind: serve, model: register.model, {more}}}\n"


def tuned(old: str, new: str) -> tuple[str, str]:
    """Return what is replaced to bring a stage of kind tune in, with a mistake."""
    assert old in TUNE
    return "  evaluate:\n", f"{TUNE.replace(old, new)}  evaluate:\n"


def judged(rules: str, *, more: str = "") -> str:
    """Return another gate of stage evaluate, with keys next to it."""
    return f"    gate: {{{rules}}}\n" + (f"    {more}\n" if more else "")


def told(mistake: Mistake, folder: Path) -> str:
    """Return what the author of a mistake is told, file names without the folder; empty when it is nothing."""
    (folder / "steps").mkdir(exist_ok=True)
    (folder / "steps" / "stages.py").write_text(CODE)
    (folder / "email").mkdir(exist_ok=True)
    (folder / "suite.json").write_text(json.dumps(SUITE))
    (folder / NAME).write_bytes(mistake.content)
    try:
        warnings = load(folder / NAME, environment=mistake.environment, variables={}).warnings
    except SpecError as error:
        text = str(error)
    else:
        text = "\n".join(map(str, warnings))
    return text.replace(f"{folder}/", "")
