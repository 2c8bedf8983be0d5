"""What a function returns, or a command writes, to metrics."""

from __future__ import annotations

import math
import numbers
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from airflow_ml_provider.runtime.errors import ContractError

METRIC_LIMIT = 1000

# https://mlflow.org/docs/latest/api_reference/rest-api.html: alphanumerics, _, -, ., space, colon, slash.
_METRIC_NAME = re.compile(r"[A-Za-z0-9_\-. :/]{1,250}")


def as_metrics(returned: Any, *, source: str) -> dict[str, float]:
    """Return the metrics in a mapping of names to finite numbers; ``None`` is no metrics.

    Args:
        returned: What the user's code handed over; numpy numbers are numbers.
        source: Who handed it over, for the message.

    Raises:
        ContractError: It is something else, a name cannot be logged, or a number is NaN or infinite.
    """
    if returned is None:
        return {}
    if not isinstance(returned, Mapping):
        raise ContractError(
            f"{source} returned {_shown(returned)}; return a mapping of metric names to numbers, or None, and "
            f"write everything else to an output"
        )
    if len(returned) > METRIC_LIMIT:
        raise ContractError(f"{source} returned {len(returned):,} metrics, {METRIC_LIMIT:,} are allowed")
    return {_name(name, source): _number(name, value, source) for name, value in returned.items()}


def _name(name: Any, source: str) -> str:
    if (
        not isinstance(name, str)
        or not _METRIC_NAME.fullmatch(name)
        or posixpath.normpath(name) != name
        or name.startswith(("/", ".."))
    ):
        raise ContractError(
            f"{source}: metric name {name!r} is not allowed: use letters, digits, '_', '-', '.', ' ', ':' and "
            f"'/', 250 characters at most, '/' only between two parts"
        )
    return name


def _number(name: str, value: Any, source: str) -> float:
    if not isinstance(value, numbers.Real) and not hasattr(value, "__float__"):
        raise ContractError(f"{source}: metric {name!r} is {_shown(value)}, not a number")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ContractError(f"{source}: metric {name!r} is {_shown(value)}, not a number") from error
    if not math.isfinite(number):
        raise ContractError(
            f"{source}: metric {name!r} is {number}; a metric must be finite, leave it out when it is undefined"
        )
    return number


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({type(value).__name__})"
