"""A rule of a stage's settings is the same in YAML and in Python: both doors refuse the same, with the same words."""

import ast
from pathlib import Path

import pytest
from pydantic import ValidationError

from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.operators.kinds import operator_of
from airflow_ml_provider.spec.kinds import stage_model

ROOT = Path(__file__).parents[2] / "airflow_ml_provider"
OBJECTIVE = {"metric": "loss", "direction": "minimize"}
TUNE = {"run": "a:b", "search": {"x": {"int": [1, 2]}}, "objective": OBJECTIVE}
MODEL = {"model": "t.model", "test": "f.test"}
# What YAML calls otherwise than the operator.
PYTHON = {"params": "hyperparameters", "name": "model_name"}
CASES = [
    ("container", {"run": "a:b", "command": ["x"]}, "give run or command, not both"),
    ("train", {}, "nothing to run: give run: module:function or command: [...]"),
    ("train", {"run": "a:b", "inputs": {"x": "s.x"}, "params": {"x": 1}}, "'x' names two of input, output and param"),
    ("train", {"command": ["x"], "checkpoints": "10m"}, "checkpoints need io: direct"),
    ("ingest", {"uri": "x", "checkpoints": "10m"}, "checkpoints are for run and command"),
    ("ingest", {"uri": "x", "io": "staged"}, "io: staged is for run and command"),
    ("ingest", {"uri": "x", "run": "a:b"}, "give uri, or code that fetches the data"),
    ("ingest", {"uri": "x", "outputs": {"rows": "dataset"}}, "with uri the one output is 'data'"),
    ("validate", {"suite": "s", "inputs": {"report": "f.x"}}, "the input must not be named 'report'"),
    ("validate", {"suite": "s", "inputs": {"x": "f.x"}, "if_failed": ["a"]}, "if_failed goes with on_failure: branch"),
    ("evaluate", {"run": "a:b", "on_failure": "warn"}, "on_failure: warn needs a gate"),
    ("evaluate", {"run": "a:b", "gate": {"a": "< 1"}, "if_failed": ["a"]}, "if_failed goes with on_failure: branch"),
    ("evaluate", {"inputs": MODEL}, "nothing to run: give run: module:function, command: [...], or task:"),
    ("evaluate", {"run": "a:b", "by": ["x"]}, "by is about predictions, row by row: say task:"),
    ("evaluate", {"run": "a:b", "confidence": 0.9}, "confidence is about predictions"),
    ("evaluate", {"run": "a:b", "gate": {"worst_slice": {"a": "< 1"}}}, "gate.worst_slice is about predictions"),
    ("evaluate", {"task": "regression", "space": ["x"]}, "space is where clusters are measured"),
    ("evaluate", {"task": "clustering", "confidence": 0.9}, "which is not supported for clustering"),
    ("evaluate", {"task": "regression", "confidence": 0.9}, "confidence is about the difference to the champion"),
    ("evaluate", {"task": "regression", "gate": {"worst_slice": {"rmse": "< 1"}}}, "gate.worst_slice needs slices"),
    ("evaluate", {"run": "a:b", "task": "regression", "io": "staged"}, "task and gate.champion need io: direct"),
    ("tune", {**TUNE, "io": "staged"}, "tune takes io: direct only"),
    ("tune", {**TUNE, "checkpoints": "10m"}, "tune keeps its finished trials by itself"),
    ("tune", {**TUNE, "params": {"x": 1}}, "'x' is searched, and is the name of an input, output or param too"),
    ("tune", {**TUNE, "search": {"x": {"int": [2, 1]}}}, "int is [2, 1]: low is more than high"),
    ("tune", {**TUNE, "sampler": 7}, "7 is not a sampler"),
    (
        "tune",
        {**TUNE, "pruner": "MedianPruner", "objective": [OBJECTIVE, {**OBJECTIVE, "metric": "cost"}]},
        "a pruner needs one objective",
    ),
    ("serve", {"model": "r.model", "command": ["x"]}, "serve has no command: a server of your own is server: [...]"),
    ("serve", {"model": "r.model", "canary": [50, 10]}, "do not rise"),
    ("serve", {"model": "r.model", "guard": {"error_rate": "low"}}, "'low' is not a threshold"),
    ("serve", {"model": "r.model", "autoscale": {"max": 1}}, "is not an autoscale: write {max: 10, cpu: 80}"),
    (
        "serve",
        {"model": "r.model", "replicas": 3, "autoscale": {"max": 2, "cpu": 80}},
        "autoscale.max is 2, and replicas, the fewest, 3",
    ),
    ("batch_predict", {"name": "m", "data": "f.x", "alias": "a", "version": 1}, "give alias or version, not both"),
    ("monitor", {"reference": "f.x", "current": "f.y", "limits": {}}, "limits are empty"),
]


def python_arguments(kind, written):
    """Return what the same stage is in Python."""
    from datetime import timedelta

    renamed = {PYTHON.get(name, name): value for name, value in written.items()}
    if "checkpoints" in renamed:
        renamed["checkpoints"] = timedelta(minutes=10)
    if kind == "batch_predict":
        renamed["model"] = renamed.pop("model_name")
    return renamed


@pytest.mark.parametrize(("kind", "written", "says"), CASES)
def test_both_doors_refuse_the_same_with_the_same_words(kind, written, says):
    with pytest.raises(ValidationError) as yaml:
        stage_model(kind).model_validate({"kind": kind, **written})
    with pytest.raises(StageConfigurationError) as python:
        operator_of(kind)(task_id="s", **python_arguments(kind, written))
    assert says in str(yaml.value)
    assert says in str(python.value)
    assert str(python.value).startswith("stage 's': ")


def test_every_rule_is_called_by_both_doors_and_seen_here():
    rules = {
        node.name
        for node in ast.parse((ROOT / "decisions" / "stage_rules.py").read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    called = {}
    for door in ("spec", "operators"):
        text = "\n".join(path.read_text() for path in (ROOT / door).rglob("*.py"))
        called[door] = {name for name in rules if f"{name}(" in text}
    assert called == {"spec": rules, "operators": rules}
    assert {kind for kind, _, _ in CASES} >= {"ingest", "validate", "tune", "evaluate", "serve", "batch_predict"}
