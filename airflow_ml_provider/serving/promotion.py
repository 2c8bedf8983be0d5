"""A model takes another's place, in steps that are safe to interrupt: a retry ends in the old state or the new."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_ml_provider.decisions.serving.rollout import ALL, Revision, Serving, next_move, steps_left
from airflow_ml_provider.errors import (
    MlflowAuthorizationError,
    MlflowError,
    MlflowUnavailableError,
    NotServingError,
    ServingChangedError,
    StageConfigurationError,
    StageKilledError,
)
from airflow_ml_provider.serving.target import ServingTarget

_LOOK_SECONDS = 0.5
_START_SECONDS = 5.0


@dataclass(frozen=True)
class Canary:
    """How the requests are brought over.

    Attributes:
        steps: Percents of the requests, rising, 100 the last.
        replicas: How many servers there are in the end.
        ready_seconds: How long new servers may take until they are ready.
    """

    steps: Sequence[int]
    replicas: int
    ready_seconds: float


class Promotion:
    """Brings an endpoint from what it serves to a revision, and the alias ``champion`` with it.

    One object says what is served (:class:`~airflow_ml_provider.decisions.serving.rollout.Serving`). What was serving
    is not touched until the candidate has passed all its checks. That is written down, ``decided``, before the alias
    moves: whoever finds a candidate that is not decided puts back what served, and one that is, finishes.

    Args:
        target: The endpoint.
        canary: The steps.
        smoke: Asks new servers for the first time; raises when they answer otherwise than the model.
        watch: Watches a step; raises when the guard does not hold. Takes the percent, the candidate's servers and
            those of what served.
        flip: Makes a revision's version champion; done again, nothing changes.
        champion: Returns the version of a model that is champion now.
        stopped: Whether the task received SIGTERM.
        log: The task's log.
    """

    def __init__(
        self,
        target: ServingTarget,
        *,
        canary: Canary,
        smoke: Callable[[Sequence[str]], None],
        watch: Callable[[int, Sequence[str], Sequence[str]], None],
        flip: Callable[[Revision], None],
        champion: Callable[[str], str | None],
        stopped: Callable[[], bool],
        log: Any | logging.Logger,
    ) -> None:
        self._target = target
        self._canary = canary
        self._smoke = smoke
        self._watch = watch
        self._flip = flip
        self._champion = champion
        self._stopped = stopped
        self._log = log

    def run(self, wanted: Revision) -> bool:
        """Serve a revision; returns whether it was not served before.

        Raises:
            NotServingError: Its servers did not become ready; what served before serves.
            StageConfigurationError: The endpoint is another model's.
            ServingChangedError: Another run changed the endpoint meanwhile.
            FinalError: A check failed; what served before serves.
        """
        serving = self._settled(wanted)
        if serving.stable == wanted:
            self._ready(serving, wanted, percent=ALL, at_least=1)
            self._target.settle(wanted, self._canary.replicas)
            self._log.info("%s serves version %s already", self._target.url, wanted.version)
            if (champion := self._champion(wanted.model)) != wanted.version:
                self._log.warning(
                    "The champion of %s is version %s, set by hand: the alias stays", wanted.model, champion
                )
            return False
        try:
            serving = self._tried(serving, wanted)
        except ServingChangedError:
            # What this run started may be nobody's by now.
            self._target.remove_others()
            raise
        except BaseException as error:
            self._roll_back(wanted, error)
            raise
        self._finish(serving)
        return True

    def _settled(self, wanted: Revision) -> Serving:
        """Return what is served once what an earlier promotion left is finished or undone."""
        while True:
            serving = self._target.read()
            for found in (serving.stable, serving.candidate):
                if found is not None and found.model != wanted.model:
                    raise StageConfigurationError(
                        f"endpoint {self._target.url} serves the model {found.model!r}: give the stage that serves "
                        f"{wanted.model!r} another endpoint"
                    )
            move = next_move(serving, wanted)
            if move == "finish":
                assert serving.candidate is not None
                self._log.info(
                    "An earlier promotion of version %s was decided: finishing it", serving.candidate.version
                )
                self._finish(serving)
            elif move == "undo":
                assert serving.candidate is not None
                self._log.info("An earlier promotion of version %s is undone", serving.candidate.version)
                self._target.write(serving.rolled_back())
            else:
                self._target.remove_others()
                return serving

    def _tried(self, serving: Serving, wanted: Revision) -> Serving:
        if serving.candidate is None:
            serving = serving.with_candidate(wanted)
            self._target.write(serving)
        asked: set[str] = set()
        for percent in steps_left(self._canary.steps, serving):
            new = self._ready(serving, wanted, percent=percent)
            self._asked(new, asked)
            self._require_going_on()
            serving = serving.shifted(percent)
            self._target.write(serving)
            self._arrived(serving, wanted)
            # Where a controller replaces the servers there are others now.
            new = self._target.ready(wanted) or new
            self._asked(new, asked)
            old = [] if serving.stable is None else self._target.ready(serving.stable)
            self._log.info("%s: %s", self._target.url, self._shares(percent, new, old))
            self._require_going_on()
            self._watch(percent, new, old)
        serving = replace(serving, decided=True)
        self._target.write(serving)
        return serving

    def _finish(self, serving: Serving) -> None:
        assert serving.candidate is not None
        try:
            self._flip(serving.candidate)
        except MlflowUnavailableError:
            raise
        except (MlflowError, MlflowAuthorizationError) as error:
            if self._champion(serving.candidate.model) != serving.candidate.version:
                # The registry will not have it: there is no way forward.
                self._roll_back(serving.candidate, error, decided=True)
                raise
            self._log.warning("The alias has moved, what is written with it could not be written: %s", error)
        self._target.write(serving.promoted())
        self._target.settle(serving.candidate, self._canary.replicas)
        self._target.remove_others()
        self._log.info("%s serves version %s", self._target.url, serving.candidate.version)

    def _ready(self, serving: Serving, wanted: Revision, *, percent: int, at_least: int | None = None) -> list[str]:
        """Return where a revision's servers are, once there are enough of them."""
        replicas = self._target.replicas_for(serving, percent, wanted=self._canary.replicas)
        self._target.start(wanted, replicas)
        started = time.monotonic()
        deadline = started + self._canary.ready_seconds
        while len(found := self._target.ready(wanted)) < (at_least or replicas):
            if faults := self._target.faults(wanted):
                raise NotServingError(f"the new servers of version {wanted.version} do not start: {faults}")
            if time.monotonic() > deadline:
                waits = self._target.waits(wanted)
                raise NotServingError(
                    f"{len(found)} of {replicas} new servers of version {wanted.version} were ready after "
                    f"{self._canary.ready_seconds:g} s{waits and ': '}{waits}; give them more time (ready_timeout), or "
                    f"see to what they wait for"
                )
            if time.monotonic() - started > _START_SECONDS:
                # Somebody may have taken them for leftovers.
                self._target.start(wanted, replicas)
                started = time.monotonic()
            self._require_going_on()
            time.sleep(_LOOK_SECONDS)
        return found

    def _asked(self, new: Sequence[str], asked: set[str]) -> None:
        """Ask the servers for the first time that were not asked yet."""
        if unasked := sorted(set(new) - asked):
            self._require_going_on()
            self._smoke(unasked)
            asked |= set(unasked)

    def _arrived(self, serving: Serving, wanted: Revision) -> None:
        """Wait until the requests go where they are sent."""
        deadline = time.monotonic() + self._canary.ready_seconds
        while not self._target.arrived(serving):
            if faults := self._target.faults(wanted):
                raise NotServingError(f"the new servers of version {wanted.version} do not go on: {faults}")
            if time.monotonic() > deadline:
                waits = self._target.waits(wanted)
                raise NotServingError(
                    f"{self._target.url}: {serving.percent} % of the requests did not reach version {wanted.version} "
                    f"within {self._canary.ready_seconds:g} s{waits and ': '}{waits}; give it more time "
                    f"(ready_timeout), or see to what it waits for"
                )
            self._require_going_on()
            time.sleep(_LOOK_SECONDS)

    def _shares(self, percent: int, new: Sequence[str], old: Sequence[str]) -> str:
        share = self._target.part(percent, new=len(new), old=len(old)) if old else ALL
        if share >= ALL:
            return f"all requests go to {len(new)} new servers"
        return (
            f"{share:.0f} % of the requests go to {len(new)} new servers, next to {len(old)} (asked for: {percent} %)"
        )

    def _require_going_on(self) -> None:
        if self._stopped():
            raise StageKilledError("the task received SIGTERM, and what served before serves")

    def _roll_back(self, wanted: Revision, error: BaseException, *, decided: bool = False) -> None:
        """Put back what served before, unless that is somebody else's business by now, or the alias may have moved."""
        serving = self._target.read()
        if serving.candidate != wanted or serving.decided != decided:
            return
        before = serving.rolled_back()
        self._target.write(before)
        self._target.remove_others()
        serves = "nothing, as before" if before.stable is None else f"version {before.stable.version}, as before"
        first = (str(error).splitlines() or [type(error).__name__])[0]
        self._log.warning("Rolled back: %s serves %s (%s)", self._target.url, serves, first)
