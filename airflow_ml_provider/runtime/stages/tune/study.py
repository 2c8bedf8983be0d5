"""A study: the params of the next trial, and what became of the others. Optuna samples; this keeps count."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_ml_provider.protocol.metrics import DEFAULT_PARAMS, UNDEFINED
from airflow_ml_provider.runtime.errors import ContractError, StageError, UserCodeError
from airflow_ml_provider.runtime.stages.tune.records import TrialRecord
from airflow_ml_provider.runtime.stages.tune.space import distributions, suggest

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna import Trial
    from optuna.trial import TrialState

LOST_SECONDS = 30.0
"""After so long without a word from a worker its trial is taken for lost."""
DEPARTURES = 10
"""How many workers may leave before their study is over."""
RETRIES = 2
"""How often a trial is begun again whose worker was lost."""
_RETRY = "retry"
_PATIENCE_SECONDS = 5.0


@dataclass
class _Running:
    trial: Trial
    worker: str
    params: Mapping[str, Any]
    began: float
    heard: float | None = None
    run_id: str = ""
    reported: dict[int, float] = field(default_factory=dict)


class Study:
    """The one that workers ask; every method may be called from any thread.

    Args:
        optuna: Optuna's study.
        options: The stage's options.
        begin: Called with each trial's number and params; returns its MLflow run, empty for none.
        end: Called with each trial that ended.
        killed: Called with the run of each trial that will never end.
    """

    def __init__(
        self,
        optuna: OptunaStudy,
        options: Mapping[str, Any],
        *,
        begin: Callable[[int, Mapping[str, Any]], str],
        end: Callable[[TrialRecord], None],
        killed: Callable[[str], None],
    ) -> None:
        self.optuna = optuna
        self.ended: list[TrialRecord] = []
        self.workers: set[str] = set()
        self.dismissed: set[str] = set()
        self._departures = 0
        self.default_params: Mapping[str, Any] = {}
        self.failure: StageError | None = None
        self._options = options
        self._metrics = [objective["metric"] for objective in options["objectives"]]
        self._deadline = None if options["budget"] is None else time.monotonic() + options["budget"]
        self._begin, self._end, self._killed = begin, end, killed
        self._running: dict[int, _Running] = {}
        self._exhausted = False
        self._later: list[Callable[[], None]] = []
        self._unfinished = 0
        self.heard = time.monotonic()
        # A sampler that has tried all there is says so by a call that Optuna allows within its own loop only.
        optuna.stop = self._exhaust
        self._changed = threading.Condition(threading.RLock())

    def resume(self, records: Sequence[TrialRecord]) -> None:
        """Take over trials that ended before."""
        from optuna.trial import create_trial

        for record in records:
            self.optuna.add_trial(
                create_trial(
                    state=_optuna_state(record.state),
                    values=record.values or None,
                    params=dict(record.params),
                    distributions=distributions(self._options["search"], record.params),
                    intermediate_values=dict(record.reported),
                )
            )
            # Numbers are those of this study: two attempts may have used one for two trials.
            self.ended.append(replace(record, number=len(self.optuna.trials) - 1))

    @property
    def is_over(self) -> bool:
        """Whether no trial runs and none will."""
        with self._changed:
            done = not self._running and self._left() == 0
            return (self.failure is not None or done) and self._unfinished == 0

    def ask(self, worker: str) -> dict[str, Any]:
        """Return a trial for a worker, ``done`` when there are no more, or nothing when it is to ask again.

        Waits some seconds for a trial that is run by another worker, and may be lost.
        """
        with self._changed:
            self._lose_all_of(worker, "its worker began anew")
            self.workers.add(worker)
            self.heard = time.monotonic()
            if not self.is_over and self._left() == 0:
                self._changed.wait_for(lambda: self.is_over or self._left() > 0, timeout=_PATIENCE_SECONDS)
            if self.failure is not None or self.is_over:
                self.dismiss(worker)
                return {"done": True}
            if self._left() == 0:
                return {}
            trial = self.optuna.ask()
            params = suggest(trial, self._options["search"])
            running = self._running[trial.number] = _Running(trial, worker, params, time.monotonic())
        self._do_later()
        # The tracking server may be slow, and other workers need not wait for it.
        run_id = self._begin(trial.number, params)
        with self._changed:
            running.run_id = run_id
            running.began = running.heard = self.heard = time.monotonic()
            given_up = self._running.get(trial.number) is not running
        if given_up:
            self._killed(run_id)
            return {}
        return {"trial": trial.number, "params": params, "run_id": run_id}

    def report(self, worker: str, trial: int, values: Sequence[tuple[int, float]]) -> dict[str, Any]:
        """Take intermediate values, none for a mere sign of life; says whether the trial is to be stopped."""
        with self._changed:
            running = self._of(worker, trial)
            if running is None:
                return {"stop": True}
            running.heard = self.heard = time.monotonic()
            for step, value in values:
                if step not in running.reported:
                    running.reported[step] = value
                    if len(self._metrics) == 1:
                        running.trial.report(value, step)
            prune = bool(values) and len(self._metrics) == 1 and running.trial.should_prune()
        # Pruners answer with booleans of NumPy, which are not JSON.
        return {"prune": bool(prune)}

    def tell(
        self,
        worker: str,
        trial: int,
        *,
        state: Literal["complete", "pruned", "failed"],
        metrics: Mapping[str, float],
        message: str,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """Take the end of a trial; one that was taken for lost is reported by its next worker.

        Args:
            worker: Who ran it.
            trial: Its number.
            state: How it ended.
            metrics: What it measured.
            message: Why it failed.
            values: What else a result says of the code: metrics that are not finite, params that it took by default.
        """
        with self._changed:
            running = self._of(worker, trial)
            if running is None:
                return
            undefined = (values or {}).get(UNDEFINED, {})
            self.default_params = (values or {}).get(DEFAULT_PARAMS, self.default_params)
            missing = [name for name in self._metrics if name not in metrics] if state == "complete" else []
            if missing and missing[0] in undefined:
                state, message = "failed", f"metric {missing[0]!r} is {undefined[missing[0]]}, not a number to compare"
            elif missing:
                state, message = "failed", f"no metric {missing[0]!r}; the code gave {', '.join(metrics) or 'none'}"
                self.failure = ContractError(f"objective: {message}")
            self._finish(trial, running, state=state, metrics=metrics, message=message)
        self._do_later()

    def lose(self, worker: str, trial: int, why: str) -> None:
        """Take the end of a worker that leaves before its trial ended."""
        with self._changed:
            if self._of(worker, trial) is not None:
                self._lose(trial, why)
        self._do_later()

    def dismiss(self, worker: str) -> None:
        """Let a worker go, which is to leave now, and by itself."""
        with self._changed:
            self.workers.discard(worker)
            self.dismissed.add(worker)
            self._changed.notify_all()

    def leave(self, worker: str, why: str) -> None:
        """Take the end of a worker that could not go on; after too many of them no other is expected to do better."""
        print(f"worker {worker} left: {why}", flush=True)
        self.lose_worker(worker, f"its worker left: {why}")
        with self._changed:
            self._departures += 1
            if self._departures > DEPARTURES:
                text = f"{self._departures} workers left, the last because {why}"
                self.fail(UserCodeError(text, type="WorkersDied"))

    def lose_worker(self, worker: str, why: str) -> None:
        """Take the end of a worker, and of what it was at."""
        with self._changed:
            self.workers.discard(worker)
            self._lose_all_of(worker, why)
        self._do_later()

    def fail(self, error: StageError) -> None:
        """End the study: no trial can succeed."""
        with self._changed:
            self.failure = self.failure or error
            self._changed.notify_all()

    def expire(self) -> None:
        """Give up the trials whose workers were not heard for long."""
        with self._changed:
            late = time.monotonic() - LOST_SECONDS
            silent = [number for number, running in self._running.items() if (running.heard or math.inf) < late]
            for number in silent:
                self._lose(number, f"nothing was heard of its worker for {LOST_SECONDS:.0f} s")
        self._do_later()

    def stop(self) -> None:
        """Give up what runs, for good."""
        with self._changed:
            given_up = list(self._running.items())
            self._running.clear()
        for number, running in given_up:
            self.optuna.tell(number, state=_optuna_state("failed"))
            self._killed(running.run_id)

    def wait_for_workers(self, seconds: float) -> None:
        """Wait until every worker knows that the study is over."""
        with self._changed:
            self._changed.wait_for(lambda: not self.workers, timeout=seconds)

    def wait(self, seconds: float) -> None:
        """Wait until something changes."""
        with self._changed:
            self._changed.wait(seconds)

    def _of(self, worker: str, trial: int) -> _Running | None:
        running = self._running.get(trial)
        return running if running is not None and running.worker == worker else None

    def _left(self) -> int:
        if self._exhausted or (self._deadline is not None and time.monotonic() > self._deadline):
            return 0
        return max(0, int(self._options["trials"]) - len(self.ended) - len(self._running))

    def _lose(self, number: int, why: str) -> None:
        running = self._running[number]
        retry = int(running.trial.user_attrs.get(_RETRY, 0))
        if retry >= RETRIES:
            message = (
                f"its worker was lost {retry + 1} times, at last because {why}: does it use more memory than it has?"
            )
            self._finish(number, running, state="failed", metrics={}, message=message)
            return
        print(f"trial {number} is begun again: {why}", flush=True)
        del self._running[number]
        self.optuna.tell(number, state=_optuna_state("failed"))
        self.optuna.enqueue_trial(dict(running.params), user_attrs={_RETRY: retry + 1})
        self._after(lambda: self._killed(running.run_id))
        self._changed.notify_all()

    def _lose_all_of(self, worker: str, why: str) -> None:
        for number in [number for number, running in self._running.items() if running.worker == worker]:
            self._lose(number, why)

    def _exhaust(self) -> None:
        self._exhausted = True

    def _after(self, call: Callable[[], None]) -> None:
        """Have something done that may take long, once nobody waits for this thread."""
        self._later.append(call)
        self._unfinished += 1

    def _do_later(self) -> None:
        while True:
            with self._changed:
                if not self._later:
                    return
                call = self._later.pop(0)
            try:
                call()
            finally:
                with self._changed:
                    self._unfinished -= 1
                    self._changed.notify_all()

    def _finish(
        self, number: int, running: _Running, *, state: str, metrics: Mapping[str, float], message: str
    ) -> None:
        del self._running[number]
        values = tuple(metrics[name] for name in self._metrics) if state == "complete" else ()
        record = TrialRecord(
            number=number,
            state=state,
            params=running.params,
            values=values,
            metrics=dict(metrics),
            reported=running.reported,
            message=message,
            seconds=time.monotonic() - running.began,
            run_id=running.run_id,
        )
        self.ended.append(record)
        self._after(lambda: self._end(record))
        self.optuna.tell(number, values=values or None, state=_optuna_state(state))
        failed = [each for each in self.ended if each.state == "failed"]
        if len(failed) > self._options["max_failed_trials"] and self.failure is None:
            text = (
                f"{len(failed)} trials failed, {self._options['max_failed_trials']} may (max_failed_trials); the last, "
            )
            first, _, rest = message.partition("\n")
            self.failure = UserCodeError(f"{text}trial {number}: {first}", type="TrialsFailed", traceback=rest)
        self._changed.notify_all()


def _optuna_state(state: str) -> TrialState:
    from optuna.trial import TrialState

    return {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}[state]
