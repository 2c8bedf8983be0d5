"""Params of a trial from a search space, and what Optuna knows of params that were tried before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution


def suggest(trial: Trial, space: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a trial's params; one whose condition does not hold is not among them.

    Args:
        trial: Optuna's trial.
        space: Ranges with ``name``, in the order in which they are sampled (``decisions/search_space.py``).
    """
    params: dict[str, Any] = {}
    for each in space:
        name = each["name"]
        if not all(other in params and params[other] in wanted for other, wanted in each["when"].items()):
            continue
        if each["kind"] == "categorical":
            params[name] = trial.suggest_categorical(name, each["choices"])
        elif each["kind"] == "int":
            number = trial.suggest_int(name, each["low"], each["high"], step=each["step"] or 1, log=each["log"])
            # Samplers may answer with numbers of NumPy, which are not JSON.
            params[name] = int(number)
        else:
            found = trial.suggest_float(name, each["low"], each["high"], step=each["step"], log=each["log"])
            params[name] = float(found)
    return params


def distributions(space: Sequence[Mapping[str, Any]], params: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """Return the distributions of the params of a trial."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for each in (each for each in space if each["name"] in params):
        if each["kind"] == "categorical":
            found[each["name"]] = CategoricalDistribution(each["choices"])
        elif each["kind"] == "int":
            found[each["name"]] = IntDistribution(each["low"], each["high"], log=each["log"], step=each["step"] or 1)
        else:
            found[each["name"]] = FloatDistribution(each["low"], each["high"], log=each["log"], step=each["step"])
    return found
