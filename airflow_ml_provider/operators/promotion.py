"""A model takes another's place, in steps that can be cut short anywhere: a retry ends in the old state or the new."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_ml_provider.decisions.serving import ALL, Revision, Serving, next_move, replicas_beside, steps_left
from airflow_ml_provider.exceptions import MlflowError, MlflowUnavailableError, StageKilledError
from airflow_ml_provider.operators.serving_target import NotServingError, ServingChangedError, ServingTarget

_LOOK_SECONDS = 0.5


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

    One object says what is served (:class:`~airflow_ml_provider.decisions.serving.Serving`). What was serving is not
    touched until the candidate has passed all its checks. That is written down, ``decided``, before the alias moves:
    whoever finds a candidate that is not decided puts back what served, and one that is, finishes.

    Args:
        target: The endpoint.
        canary: The steps.
        smoke: Asks new servers for the first time; raises when they answer otherwise than the model.
        watch: Watches a step; raises when the guard does not hold. Takes the percent, the candidate's servers and
            those of what served.
        flip: Makes a version champion; done again, nothing changes.
        stopped: Whether the task was told to end.
        log: Where it is told.
    """

    def __init__(
        self,
        target: ServingTarget,
        *,
        canary: Canary,
        smoke: Callable[[Sequence[str]], None],
        watch: Callable[[int, Sequence[str], Sequence[str]], None],
        flip: Callable[[str], None],
        stopped: Callable[[], bool],
        log: Any | logging.Logger,
    ) -> None:
        self._target = target
        self._canary = canary
        self._smoke = smoke
        self._watch = watch
        self._flip = flip
        self._stopped = stopped
        self._log = log

    def run(self, wanted: Revision) -> bool:
        """Serve a revision; returns whether it was not served before.

        Raises:
            NotServingError: Its servers did not become ready; what served before serves.
            ServingChangedError: Another run changed the endpoint meanwhile.
            AirflowException: A check failed; what served before serves.
        """
        serving = self._settled(wanted)
        if serving.stable == wanted:
            self._ready(serving, wanted, percent=ALL, at_least=1)
            self._flip(wanted.version)
            self._target.settle(wanted)
            self._log.info("%s serves version %s already", self._target.url, wanted.version)
            return False
        try:
            serving = self._tried(serving, wanted)
        except ServingChangedError:
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
                self._target.remove_all_but(serving.rolled_back())
            else:
                self._target.remove_all_but(serving)
                return serving

    def _tried(self, serving: Serving, wanted: Revision) -> Serving:
        if serving.candidate is None:
            serving = serving.with_candidate(wanted)
            self._target.write(serving)
        first = steps_left(self._canary.steps, serving)[0]
        self._smoke(self._ready(serving, wanted, percent=first))
        for percent in steps_left(self._canary.steps, serving):
            new = self._ready(serving, wanted, percent=percent)
            serving = serving.shifted(percent)
            self._target.write(serving)
            old = [] if serving.stable is None else self._target.ready(serving.stable)
            self._log.info("%s: %s", self._target.url, _shares(percent, new, old))
            self._watch(percent, new, old)
        serving = replace(serving, decided=True)
        self._target.write(serving)
        return serving

    def _finish(self, serving: Serving) -> None:
        assert serving.candidate is not None
        try:
            self._flip(serving.candidate.version)
        except MlflowUnavailableError:
            raise
        except MlflowError as error:
            # The registry will not have it: there is no way forward.
            self._roll_back(serving.candidate, error)
            raise
        served = serving.promoted()
        self._target.write(served)
        self._target.settle(serving.candidate)
        self._target.remove_all_but(served)
        self._log.info("%s serves version %s", self._target.url, serving.candidate.version)

    def _ready(self, serving: Serving, wanted: Revision, *, percent: int, at_least: int | None = None) -> list[str]:
        """Return where a revision's servers are, once there are enough of them."""
        stable = 0 if serving.stable is None else self._target.replicas(serving.stable)
        replicas = replicas_beside(stable, percent, wanted=self._canary.replicas)
        self._target.start(wanted, replicas)
        deadline = time.monotonic() + self._canary.ready_seconds
        while len(found := self._target.ready(wanted)) < (at_least or replicas):
            if told := self._target.faults(wanted):
                raise NotServingError(f"the new servers of version {wanted.version} do not start: {told}")
            if time.monotonic() > deadline:
                raise NotServingError(
                    f"{len(found)} of {replicas} new servers of version {wanted.version} were ready after "
                    f"{self._canary.ready_seconds:g} s; give them more time (ready_timeout), or see why they wait: "
                    f"kubectl get pods -l airflow-ml/revision={wanted.name}"
                )
            self._pause()
        return found

    def _pause(self) -> None:
        if self._stopped():
            raise StageKilledError("the task was told to end, and what served before serves")
        time.sleep(_LOOK_SECONDS)

    def _roll_back(self, wanted: Revision, error: BaseException) -> None:
        """Put back what served before, unless that is somebody else's business by now."""
        serving = self._target.read()
        if serving.candidate != wanted:
            return
        before = serving.rolled_back()
        self._target.write(before)
        self._target.remove_all_but(before)
        serves = "nothing, as before" if before.stable is None else f"version {before.stable.version}, as before"
        first = (str(error).splitlines() or [type(error).__name__])[0]
        self._log.warning("Rolled back: %s serves %s (%s)", self._target.url, serves, first)


def _shares(percent: int, new: Sequence[str], old: Sequence[str]) -> str:
    if percent >= ALL or not old:
        return f"all requests go to {len(new)} new servers"
    share = 100 * len(new) / (len(new) + len(old))
    return f"{share:.0f} % of the requests go to {len(new)} new servers, beside {len(old)} (asked for: {percent} %)"
