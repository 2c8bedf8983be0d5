"""What a function returns, or a command writes, to metrics; what is none costs the stage nothing but a warning."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_ml_provider.protocol.metrics import METRIC_LIMIT, NAME_LIMIT, UNDEFINED, mark, metric_name
from airflow_ml_provider.runtime.errors import ContractError

_SHOWN_NOTES = 20
_SIZE_LIMIT_BYTES = 128 * 1024
_NUMBER_BYTES = 32


@dataclass(frozen=True)
class Metrics:
    """Metrics of code.

    Attributes:
        kept: Finite numbers by name.
        undefined: Those that are not finite, as they are written in a result.
    """

    kept: Mapping[str, float] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """What a result's ``values`` hold of them."""
        return {UNDEFINED: dict(self.undefined)} if self.undefined else {}


def as_metrics(returned: Any, *, source: str, strict: bool = False) -> Metrics:
    """Return what is a metric of what code handed over; the log says what is not, and under which name it is kept.

    Args:
        returned: A mapping of names to numbers; numpy numbers are numbers; ``None`` is no metrics.
        source: Who handed it over, for the message.
        strict: Refuse what cannot be kept as it is.

    Raises:
        ContractError: ``strict``, and something cannot be kept as it is.
    """
    notes: list[str] = []
    found = _read(returned, source, notes)
    if notes and strict:
        raise ContractError(f"{source}: strict_metrics: {'; '.join(notes[:_SHOWN_NOTES])}")
    for note in notes[:_SHOWN_NOTES]:
        print(f"WARNING: {source}: {note}", flush=True)
    if len(notes) > _SHOWN_NOTES:
        print(f"WARNING: {source}: {len(notes) - _SHOWN_NOTES:,} more of this kind", flush=True)
    return found


def _read(returned: Any, source: str, notes: list[str]) -> Metrics:
    if returned is None:
        return Metrics()
    if not isinstance(returned, Mapping):
        notes.append(
            f"it returned {_shown(returned)}, which is not kept: return a mapping of metric names to numbers, or "
            f"None, and write everything else to an output"
        )
        return Metrics()
    kept: dict[str, float] = {}
    undefined: dict[str, str] = {}
    size = 0
    for name, value in returned.items():
        number = _number(value)
        if number is None or not isinstance(name, str):
            what = "is not a number" if number is None else "has no text for its name"
            notes.append(f"metric {name!r} is {_shown(value)}: it {what}, and is left out")
            continue
        own = _free(metric_name(name), {*kept, *undefined})
        size += len(own) + _NUMBER_BYTES
        if len(kept) + len(undefined) >= METRIC_LIMIT or size > _SIZE_LIMIT_BYTES:
            notes.append(
                f"of {len(returned):,} metrics {len(kept) + len(undefined):,} are kept (at most {METRIC_LIMIT:,}, with "
                f"{_SIZE_LIMIT_BYTES:,} bytes): {metric_name(name)!r} and what follows is left out; write it to an "
                f"output"
            )
            break
        if own != name:
            notes.append(
                f"metric {name!r} is kept as {own!r}: MLflow takes letters, digits, '_', '-', '.', ' ', ':' and '/', "
                f"250 characters at most"
            )
        if math.isfinite(number):
            kept[own] = number
        else:
            undefined[own] = mark(number)
            notes.append(f"metric {own!r} is {undefined[own]}: no gate and no comparison accepts it")
    return Metrics(kept, undefined)


def _free(name: str, taken: set[str]) -> str:
    number, own = 1, name
    while own in taken:
        number += 1
        own = f"{name[: NAME_LIMIT - len(str(number)) - 1]}_{number}"
    return own


def _number(value: Any) -> float | None:
    if not isinstance(value, numbers.Real) and not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({type(value).__name__})"
