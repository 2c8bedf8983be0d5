"""Is a search space sound? What an author wrote in, what a study samples from out.

The terms are Optuna's (https://optuna.readthedocs.io/en/stable/reference/distributions.html).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_ml_provider.protocol.tune import NESTED_ALGORITHMS

KINDS = ("int", "float", "categorical")
_OPTIONS = {"int": {"log", "step", "when"}, "float": {"log", "step", "when"}, "categorical": {"when"}}


def search_range(value: Any) -> dict[str, Any]:
    """Return one param's range as plain values.

    It has ``kind``, ``when``, and ``choices`` or ``low``, ``high``, ``log`` and ``step``.

    Args:
        value: ``{int: [2, 12], step: 2}``, ``{float: [0.01, 0.3], log: true}`` or ``{categorical: [a, b]}``; with
            ``when: {booster: dart}`` the param is sampled only where others have these values.

    Raises:
        ValueError: It is not a range.
    """
    if not isinstance(value, Mapping):
        raise ValueError(
            f"{value!r} is not a range: write {{int: [2, 12]}}, {{float: [0.01, 0.3]}} or {{categorical: [a, b]}}"
        )
    named = [kind for kind in KINDS if kind in value]
    if len(named) != 1:
        raise ValueError(f"a range has one of {', '.join(KINDS)}; got {', '.join(map(str, value)) or 'none'}")
    kind = named[0]
    unknown = sorted(map(str, value.keys() - _OPTIONS[kind] - {kind}))
    if unknown:
        known = ", ".join(sorted(_OPTIONS[kind]))
        raise ValueError(f"a range of kind {kind} has no key {unknown[0]!r}; it has {known}")
    found = {"kind": kind, "when": _when(value.get("when", {}))}
    return found | (_choices(value[kind]) if kind == "categorical" else _bounds(kind, value))


def search_space(ranges: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return ranges that fit each other, in the order in which they are sampled, each with its ``name``.

    Args:
        ranges: What ``search_range`` returned, by the param's name.

    Raises:
        ValueError: A condition names a param that comes later or is not there, or a value that it never has.
    """
    if not ranges:
        raise ValueError("nothing to search: name at least one param")
    seen: dict[str, Mapping[str, Any]] = {}
    for name, found in ranges.items():
        for other, wanted in found["when"].items():
            if other not in seen:
                where = "which comes after it" if other in ranges else "which is none of the search"
                raise ValueError(
                    f"{name}: when names {other!r}, {where}; known before it are {', '.join(seen) or 'none'}"
                )
            choices = seen[other].get("choices", wanted)
            for value in wanted:
                if value not in choices:
                    raise ValueError(f"{name}: {other} is never {value!r}; it is one of {choices!r}")
        seen[name] = found
    return [{"name": name, **found} for name, found in seen.items()]


def _when(value: Any) -> dict[str, list[Any]]:
    if not isinstance(value, Mapping):
        raise ValueError(f"when is {value!r}; write {{PARAM: VALUE}} or {{PARAM: [VALUE, ...]}}")
    return {str(name): list(wanted) if isinstance(wanted, list | tuple) else [wanted] for name, wanted in value.items()}


def _choices(value: Any) -> dict[str, Any]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ValueError(f"categorical is {value!r}; write a list of values, such as [gbtree, dart]")
    for choice in value:
        if choice is not None and not isinstance(choice, bool | int | float | str):
            raise ValueError(f"categorical has the value {choice!r}; values are text, numbers, true, false or null")
    return {"choices": list(value)}


def _bounds(kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    pair, log, step = value[kind], value.get("log", False), value.get("step")
    number = int if kind == "int" else (int, float)
    if not (
        isinstance(pair, Sequence)
        and not isinstance(pair, str)
        and len(pair) == 2
        and all(isinstance(end, number) and not isinstance(end, bool) and math.isfinite(end) for end in pair)
    ):
        raise ValueError(f"{kind} is {pair!r}; write [low, high], two {'whole ' if kind == 'int' else ''}numbers")
    low, high = pair
    if low > high:
        raise ValueError(f"{kind} is [{low}, {high}]: low is more than high")
    if not isinstance(log, bool):
        raise ValueError(f"log is {log!r}, write true or false")
    if log and low <= 0:
        raise ValueError(f"{kind} is [{low}, {high}] with log: true: low must be more than 0")
    if step is not None:
        if not isinstance(step, number) or isinstance(step, bool) or step <= 0:
            raise ValueError(f"step is {step!r}, not a {'whole ' if kind == 'int' else ''}number more than 0")
        if log:
            raise ValueError("step and log do not go together; give one of them")
    return {"low": low, "high": high, "log": log, "step": step}


def objectives(value: Any) -> list[dict[str, str]]:
    """Return objectives as a list of ``{"metric", "direction"}``.

    Args:
        value: One such mapping, or a list of them.

    Raises:
        ValueError: It is none.
    """
    each = [value] if isinstance(value, Mapping) else value
    if not isinstance(each, Sequence) or isinstance(each, str) or not each:
        raise ValueError(f"{value!r} is not an objective: write {{metric: rmse, direction: minimize}}")
    found = []
    for objective in each:
        keys = set(objective) if isinstance(objective, Mapping) else set()
        if keys != {"metric", "direction"}:
            raise ValueError(f"{objective!r} is not an objective: write {{metric: rmse, direction: minimize}}")
        if objective["direction"] not in ("minimize", "maximize"):
            raise ValueError(f"direction is {objective['direction']!r}; write minimize or maximize")
        if not isinstance(objective["metric"], str) or not objective["metric"]:
            raise ValueError(f"metric is {objective['metric']!r}; write the name of a metric")
        found.append({"metric": objective["metric"], "direction": objective["direction"]})
    names = [objective["metric"] for objective in found]
    if len(set(names)) != len(names):
        raise ValueError(f"a metric is named twice: {', '.join(names)}")
    return found


def algorithm(value: Any, *, of: str) -> dict[str, Any]:
    """Return a sampler or pruner as ``{"name", "options"}``.

    Args:
        value: The name of Optuna's class, or ``{NAME: {option: value}}``; an option that is a sampler or pruner itself,
            such as ``wrapped_pruner``, is written in the same way.
        of: ``sampler`` or ``pruner``, for the message.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, str):
        value = {value: {}}
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, options),) = value.items()
        if isinstance(name, str) and name.isidentifier() and isinstance(options, Mapping):
            nested = {
                key: algorithm(options[key], of=NESTED_ALGORITHMS[key])
                for key in options.keys() & NESTED_ALGORITHMS.keys()
                if options[key] is not None
            }
            return {"name": name, "options": {**options, **nested}}
    example = "TPESampler" if of == "sampler" else "MedianPruner"
    raise ValueError(
        f"{value!r} is not a {of}: write a class of Optuna, such as {example}, or {{{example}: {{option: value}}}}"
    )
