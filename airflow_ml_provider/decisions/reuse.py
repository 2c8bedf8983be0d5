"""Whether a stage's earlier result is taken instead of running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow_ml_provider.decisions.provenance import first_difference


@dataclass(frozen=True)
class CachePolicy:
    """How results of a stage are reused.

    Attributes:
        ttl: How old a result may be, ``None`` for any age.
        ignore: Components that do not count (``params.seed``).
        version: Any text; another one makes all earlier results count no more.
        trust_tag: Whether an image's tag is taken for the content it stood for.
    """

    ttl: timedelta | None = None
    ignore: tuple[str, ...] = ()
    version: str = ""
    trust_tag: bool = False


@dataclass(frozen=True)
class Reuse:
    """A verdict.

    Attributes:
        reused: Whether the earlier result is taken.
        reason: One line for a person.
    """

    reused: bool
    reason: str

    def __str__(self) -> str:
        return f"reused from {self.reason}" if self.reused else f"runs because {self.reason}"


def verdict(
    *,
    found: tuple[str, float] | None,
    flaw: str,
    before: Mapping[str, Any] | None,
    now_components: Mapping[str, Any],
    policy: CachePolicy,
    now: float,
) -> Reuse:
    """Decide.

    Args:
        found: The run that left a result of the same key and when, in seconds since the epoch; ``None`` for none.
        flaw: Why the found result cannot be used, empty when it can.
        before: Components of the stage's last result, ``None`` when there is none.
        now_components: Components of what is to be done.
        policy: How results are reused.
        now: In seconds since the epoch.
    """
    if found is None:
        if before is None:
            return Reuse(False, "no result of it was kept yet")
        changed = first_difference(before, now_components)
        return Reuse(False, changed or "its earlier result is not kept any more")
    run, kept = found
    if flaw:
        return Reuse(False, f"the result of run {run} cannot be used: {flaw}")
    age = timedelta(seconds=max(0.0, now - kept))
    if policy.ttl is not None and age > policy.ttl:
        return Reuse(False, f"the result of run {run} is {_days(age)} old, ttl is {_days(policy.ttl)}")
    return Reuse(True, f"run {run}")


def _days(age: timedelta) -> str:
    return str(age - timedelta(microseconds=age.microseconds))
