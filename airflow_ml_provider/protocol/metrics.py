"""What can be a metric of a result, and what becomes of the rest.

A result's ``metrics`` are finite numbers: JSON has no others. A metric that is not a number, or infinite, stands in
``values`` under :data:`UNDEFINED` by its name, as ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``, the marks of
JavaScript and of protobuf's JSON (https://protobuf.dev/programming-guides/json/).
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Mapping
from typing import Any

METRIC_LIMIT = 1000
"""Metrics of one result."""
NAME_LIMIT = 250
UNDEFINED = "undefined_metrics"
DEFAULT_PARAMS = "default_params"
"""Under this name a result's ``values`` hold the params that the code has by default."""
STRICT = "strict_metrics"
"""The option with which a stage fails where a metric cannot be kept."""

# https://mlflow.org/docs/latest/api_reference/rest-api.html: alphanumerics, _, -, ., space, colon, slash.
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_\-. :/]")


def metric_name(name: str) -> str:
    """Return a metric's name as MLflow takes it: ``acc@5`` is ``acc_5``, ``a//b`` is ``a/b``."""
    kept = posixpath.normpath(_NOT_ALLOWED.sub("_", name).strip()).lstrip("/.") if name.strip() else ""
    return (kept or "_")[:NAME_LIMIT]


def mark(number: float) -> str:
    """Return how a number is written that is not finite."""
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def all_metrics(metrics: Mapping[str, float], values: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a result with those that are not finite, as numbers of Python."""
    return {**metrics, **{name: float(text) for name, text in values.get(UNDEFINED, {}).items()}}
