"""What an endpoint serves, what it is to serve, and the steps between: states in, the next move out."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from airflow_ml_provider.decisions.models.gate import Threshold

STABLE = "stable_"
"""What the metrics of servers begin with that served before."""
ALL = 100
"""Percent of the requests."""
_MOST_BESIDE = 90
_PARTS = ("name", "model", "version")

Move = Literal["nothing", "finish", "undo", "begin", "go_on"]


@dataclass(frozen=True)
class Revision:
    """Servers that are all alike.

    Attributes:
        name: Its name among those of one endpoint: the version, and a digest of all that the servers are made of.
        model: The registered model.
        version: Its version.
    """

    name: str
    model: str
    version: str

    @classmethod
    def of(cls, model: str, version: str, made_of: Mapping[str, Any]) -> Revision:
        """Return the revision of a version served in one way.

        Args:
            model: The registered model.
            version: Its version.
            made_of: All else that makes a difference, JSON values.
        """
        digest = hashlib.sha256(json.dumps([model, version, made_of], sort_keys=True).encode()).hexdigest()
        return cls(f"v{version}-{digest[:10]}", model, version)


@dataclass(frozen=True)
class Serving:
    """What an endpoint serves; kept in one object, which changes in one write.

    Attributes:
        stable: What serves, ``None`` before anything did.
        candidate: What may take its place, ``None`` when nothing is to change.
        percent: Which part of the requests the candidate gets.
        decided: Whether the candidate passed all its checks: from here on there is only forward.
    """

    stable: Revision | None = None
    candidate: Revision | None = None
    percent: int = 0
    decided: bool = False

    def with_candidate(self, revision: Revision) -> Serving:
        """Return it with a candidate that gets no request yet."""
        return Serving(stable=self.stable, candidate=revision)

    def shifted(self, percent: int) -> Serving:
        """Return it with so many percent of the requests at the candidate."""
        return replace(self, percent=percent)

    def promoted(self) -> Serving:
        """Return it with the candidate in the place of what served."""
        return Serving(stable=self.candidate)

    def rolled_back(self) -> Serving:
        """Return it without the candidate."""
        return Serving(stable=self.stable)

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            name: None if found is None else asdict(found)
            for name, found in (("stable", self.stable), ("candidate", self.candidate))
        } | {"percent": self.percent, "decided": self.decided}

    @classmethod
    def from_plain(cls, plain: Any) -> Serving:
        """Read it from JSON values.

        Raises:
            ValueError: They are something else.
        """
        try:
            stable, candidate = (
                None if plain[name] is None else Revision(*(str(plain[name][part]) for part in _PARTS))
                for name in ("stable", "candidate")
            )
            return cls(stable, candidate, int(plain["percent"]), bool(plain["decided"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{plain!r} does not say what is served") from error


def next_move(serving: Serving, wanted: Revision) -> Move:
    """Say what is to be done first so that an endpoint serves a revision.

    ``finish`` and ``undo`` are about what an earlier promotion left when it was cut short: one that was decided is
    finished, another one's is undone, the same one goes on. ``begin`` starts anew.
    """
    if serving.candidate is not None and serving.decided:
        return "finish"
    if serving.candidate is not None and serving.candidate != wanted:
        return "undo"
    if serving.stable == wanted:
        return "undo" if serving.candidate is not None else "nothing"
    return "begin" if serving.candidate is None else "go_on"


def steps_left(steps: Sequence[int], serving: Serving) -> list[int]:
    """Return the steps of a canary that are still to be taken; one that was cut short is taken again.

    Where nothing served before there is nobody to share the requests with.
    """
    if serving.stable is None:
        return [ALL]
    return [step for step in steps if step >= serving.percent]


def checked_steps(steps: Sequence[int]) -> list[int]:
    """Return the steps of a canary, with 100 as the last.

    Raises:
        ValueError: They do not rise, or are not percentages.
    """
    for step in steps:
        if isinstance(step, bool) or not isinstance(step, int) or not (1 <= step <= _MOST_BESIDE or step == ALL):
            raise ValueError(f"{step!r} is not a step of a canary: whole percents from 1 to {_MOST_BESIDE}, and 100")
    if list(steps) != sorted(set(steps)):
        raise ValueError(f"{list(steps)} do not rise: each step gives the new servers more requests, such as [10, 50]")
    return [*steps, *([] if ALL in steps else [ALL])]


def guard_at(guard: Mapping[str, str], *, beside_others: bool) -> dict[str, str]:
    """Return the thresholds that can be judged; with nothing that served before there is none next to it.

    Args:
        guard: Thresholds by metric, as in a gate.
        beside_others: Whether something served before.
    """
    return {
        metric: text
        for metric, text in guard.items()
        if beside_others or not (metric.startswith(STABLE) or str(Threshold.parse(text).limit).startswith(STABLE))
    }


def shared_requests(canary: Sequence[int], guard: Mapping[str, str]) -> str:
    """Say what of a canary needs servers of two revisions that get requests at once, empty for nothing."""
    if any(step < ALL for step in canary):
        return f"canary {list(canary)}"
    alone = guard_at(guard, beside_others=False)
    return next((f"guard {metric}: {text!r}" for metric, text in guard.items() if metric not in alone), "")


def replicas_beside(stable: int, percent: int, *, wanted: int) -> int:
    """Return how many new servers there are next to the old ones, so that they get at least so much of the requests.

    A Service spreads connections evenly over its pods, and what serves is not touched until it is decided: so the
    share is that of the pods.

    Args:
        stable: How many servers serve now.
        percent: The candidate's part.
        wanted: How many servers there are once it serves alone.
    """
    if percent >= ALL or stable <= 0:
        return wanted
    return max(1, math.ceil(stable * percent / (ALL - percent)))
