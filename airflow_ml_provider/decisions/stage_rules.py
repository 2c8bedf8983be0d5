"""What the settings of a stage must be to fit each other: the same rules for YAML and for operators.

Each function raises a ValueError that says what does not fit, and what to write instead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from airflow_ml_provider.decisions.models.gate import Threshold
from airflow_ml_provider.decisions.models.gate_rules import CHAMPION, WORST_SLICE
from airflow_ml_provider.decisions.search_space import algorithm, objectives, search_range, search_space
from airflow_ml_provider.decisions.serving.rollout import checked_steps

CLUSTERING = "clustering"

RESERVED_OUTPUTS = (
    "alarm",
    "best_params",
    "cache",
    "canary",
    "default_params",
    "drift",
    "endpoint",
    "evaluation",
    "failure",
    "gate",
    "metrics",
    "pod_name",
    "pod_namespace",
    "reasons",
    "return_value",
    "study",
    "undefined_metrics",
    "validation",
)
"""Names of XComs that a stage pushes next to its outputs, or when it fails."""


def require_code(
    *, run: str | None, command: Sequence[str] | None, io: str | None, checkpoints: Any, may_lack: bool
) -> None:
    """Raise unless a stage has one thing to run, and ``io`` and ``checkpoints`` go with it.

    Args:
        run: Its function.
        command: Its command.
        io: Who fetches and commits, ``None`` for the usual way.
        checkpoints: How often the folder of checkpoints is kept, ``None`` for never.
        may_lack: Whether the kind does something by itself where there is neither.
    """
    if run and command:
        raise ValueError("give run or command, not both")
    if not (run or command) and not may_lack:
        raise ValueError("nothing to run: give run: module:function or command: [...]")
    if io == "staged" and not (run or command):
        raise ValueError("io: staged is for run and command")
    if checkpoints and not (run or command):
        raise ValueError("checkpoints are for run and command")
    if checkpoints and (io == "staged" or (command and not io)):
        raise ValueError("checkpoints need io: direct, since somebody has to bring them to the store meanwhile")


def require_different_names(inputs: Collection[str], outputs: Collection[str], params: Collection[str]) -> None:
    """Raise when one name stands for two arguments of the stage's function."""
    shared = sorted(
        (set(inputs) & set(outputs)) | (set(inputs) & set(params)) | (set(outputs) & set(params)),
    )
    if shared:
        raise ValueError(f"{shared[0]!r} names two of input, output and param; all are arguments of one function")


def require_branch(on_failure: str, if_failed: Collection[str]) -> None:
    """Raise when stages are named for a branch and there is none."""
    if if_failed and on_failure != "branch":
        raise ValueError("if_failed goes with on_failure: branch; add that, or remove if_failed")


def require_ingest(*, uri: str | None, runs_code: bool, outputs: Collection[str]) -> None:
    """Raise unless there is one way to the data."""
    if bool(uri) == runs_code:
        raise ValueError("give uri, or code that fetches the data")
    if uri and set(outputs) != {"data"}:
        raise ValueError("with uri the one output is 'data'")


def require_validate(inputs: Collection[str]) -> None:
    """Raise unless there is one dataset, whose name is free."""
    if "report" in inputs:
        raise ValueError("the input must not be named 'report', which is the name of an output")
    if len(inputs) != 1:
        raise ValueError(f"validate takes exactly one input, got {', '.join(inputs) or 'none'}")


def require_tune(
    *,
    search: Mapping[str, Mapping[str, Any]],
    objective: Any,
    pruner: Any,
    sampler: Any,
    taken: Collection[str],
    io: str | None,
    checkpoints: Any,
) -> None:
    """Raise unless a search, its objectives and its algorithms fit each other.

    Args:
        search: Ranges by param.
        objective: One objective or several.
        pruner: A pruner of Optuna.
        sampler: A sampler of Optuna.
        taken: Names of inputs, outputs and fixed params.
        io: Who fetches and commits.
        checkpoints: How often the folder of checkpoints is kept.
    """
    if io == "staged":
        raise ValueError("tune takes io: direct only: its workers fetch inputs once and run many trials")
    if checkpoints:
        raise ValueError("tune keeps its finished trials by itself; remove checkpoints")
    twice = sorted(set(search) & set(taken))
    if twice:
        raise ValueError(f"{twice[0]!r} is searched, and is the name of an input, output or param too")
    search_space({name: search_range(found) for name, found in search.items()})
    algorithm(sampler, of="sampler")
    if len(objectives(objective)) > 1 and algorithm(pruner, of="pruner")["name"] != "NopPruner":
        raise ValueError("a pruner needs one objective; remove the pruner, or all objectives but one")


def require_evaluation(
    *,
    runs_code: bool,
    task: str | None,
    gate: Mapping[str, Any],
    by: Collection[str],
    confidence: float | None,
    space: Any,
    on_failure: str,
    io: str | None,
) -> None:
    """Raise unless what is measured, and how it is judged, fit each other."""
    if on_failure != "fail" and not gate:
        raise ValueError(f"on_failure: {on_failure} needs a gate; add one, or remove on_failure")
    if task is None and not runs_code:
        raise ValueError(
            "nothing to run: give run: module:function, command: [...], or task: with a model and a dataset among "
            "the inputs"
        )
    for key, given in (("by", by), ("confidence", confidence), ("gate.worst_slice", WORST_SLICE in gate)):
        if given and task is None:
            raise ValueError(f"{key} is about predictions, row by row: say task: regression, classification, ...")
    if space and task != CLUSTERING:
        raise ValueError("space is where clusters are measured: say task: clustering, or remove it")
    if confidence and task == CLUSTERING:
        raise ValueError("confidence is by resampling rows, which is not supported for clustering: remove it")
    if confidence and CHAMPION not in gate:
        raise ValueError("confidence is about the difference to the champion: add gate.champion")
    if WORST_SLICE in gate and not by:
        raise ValueError("gate.worst_slice needs slices: say by: [column]")
    if (task is not None or CHAMPION in gate) and io == "staged":
        raise ValueError("task and gate.champion need io: direct: the model and its champion are measured in one place")


def require_serve(
    *,
    canary: Sequence[int],
    guard: Mapping[str, str],
    replicas: int,
    autoscale: Mapping[str, int] | None,
    command: Any,
) -> None:
    """Raise unless the way of a new model to all requests can be gone."""
    if command:
        raise ValueError("serve has no command: a server of your own is server: [...]")
    checked_steps(canary)
    for text in guard.values():
        Threshold.parse(text)
    if autoscale is not None:
        whole = all(type(number) is int and number > 0 for number in autoscale.values())
        if not whole or autoscale.keys() != {"max", "cpu"}:
            raise ValueError(
                f"{dict(autoscale)!r} is not an autoscale: write {{max: 10, cpu: 80}}, servers and percent of their CPU"
            )
        if autoscale["max"] < replicas:
            raise ValueError(f"autoscale.max is {autoscale['max']}, and replicas, the fewest, {replicas}")


def require_one_version(*, alias: str | None, version: Any) -> None:
    """Raise when a registered model is named by an alias and by a version."""
    if alias and version:
        raise ValueError("give alias or version, not both")
