"""What an author says a request to a served model may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_ml_provider.decisions.quantity import in_bytes
from airflow_ml_provider.protocol.serving import RequestLimits

MOST_BYTES = 256 * 1024 * 1024
_WRITTEN = "{body: 4Mi, rows: 10000, columns: 2000, seconds: 30}"


def request_limits(written: Mapping[str, Any]) -> RequestLimits:
    """Return the limits, the default of what is not said.

    Args:
        written: ``body``, a quantity such as ``4Mi``; ``rows``, ``columns`` and ``seconds``.

    Raises:
        ValueError: There is another key, or a value is not a limit.
    """
    if unknown := sorted(map(str, written.keys() - {"body", "rows", "columns", "seconds"})):
        raise ValueError(f"limits has no {unknown[0]!r}: write such as {_WRITTEN}")
    found: dict[str, Any] = {}
    for name, value in written.items():
        if name == "body":
            found[name] = in_bytes(value) if isinstance(value, str | int) and not isinstance(value, bool) else 0
            if not 0 < found[name] <= MOST_BYTES:
                raise ValueError(f"limits.body is {value!r}: write a quantity more than 0, 256Mi at most, such as 4Mi")
        elif name == "seconds":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 3600:
                raise ValueError(f"limits.seconds is {value!r}: write seconds more than 0, 3600 at most")
            found[name] = float(value)
        elif type(value) is not int or value < 1:
            raise ValueError(f"limits.{name} is {value!r}: write a whole number more than 0")
        else:
            found[name] = value
    return RequestLimits(**found)
