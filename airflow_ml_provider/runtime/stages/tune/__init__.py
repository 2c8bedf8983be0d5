"""Tune: a study that workers ask for trials; the best trial's params are the result.

Optuna lives in this process alone, in memory: each finished trial is an object in the store, which outlives it. Workers
learn what to try and report what came of it, so their image needs no Optuna, and a slow network costs a trial some
milliseconds.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.protocol.metrics import DEFAULT_PARAMS
from airflow_ml_provider.protocol.tune import NESTED_ALGORITHMS, STUDY_STORAGE_VARIABLE
from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.errors import ContractError, StageError, UserCodeError
from airflow_ml_provider.runtime.first_process import SIGTERM_EXIT_CODE, StopRequest
from airflow_ml_provider.runtime.stages.local_workers import LocalWorkers, is_local
from airflow_ml_provider.runtime.stages.tune.client import worker_variables
from airflow_ml_provider.runtime.stages.tune.records import TrialRecord, keep, kept_before
from airflow_ml_provider.runtime.stages.tune.server import serving

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy

    from airflow_ml_provider.runtime.stages.tune.study import Study

_LOOK_SECONDS = 1.0
_FAREWELL_SECONDS = 3.0
SILENT_SECONDS = 60.0
"""After so long without a word from any worker the log says so."""


def run(context: BodyContext) -> BodyOutcome:
    """Hold the study until its trials ended.

    Raises:
        ContractError: The study cannot be as it is described, or the code does not fit it.
        UserCodeError: Too many trials failed, or none succeeded.
        SystemExit: This process received SIGTERM; what runs is given up.
    """
    from airflow_ml_provider.runtime.stages.tune.report import load_plots
    from airflow_ml_provider.runtime.stages.tune.runs import TrialRuns
    from airflow_ml_provider.runtime.stages.tune.study import Study

    request, options = context.request, context.request.options
    runs = TrialRuns(request)
    progress = _ProgressReport(options)

    def ended(record: TrialRecord) -> None:
        keep(request, record)
        runs.end(record)
        progress(record)

    kept = kept_before(request)
    study = Study(_optuna_study(context, kept=len(kept)), options, begin=runs.begin, end=ended, killed=runs.kill)
    study.resume(kept)
    runs.close_left()
    if kept:
        print(f"{len(kept)} trials of earlier attempts are not run again", flush=True)
    progress.resumed(kept)
    local = is_local()
    with ExitStack() as stack:
        stack.callback(study.stop)
        stop_request = stack.enter_context(StopRequest())
        stack.enter_context(serving(_methods(study), attempt_uri=request.attempt_uri, local=local))
        count = int(options["workers"]) if local else 0
        workers = stack.enter_context(
            LocalWorkers(request, count, variables=lambda _: worker_variables(), may_leave=study.dismissed.__contains__)
        )
        warm: threading.Thread | None = None
        told_at = time.monotonic()
        while not study.is_over:
            if stop_request:
                # What runs is given up in order.
                sys.exit(SIGTERM_EXIT_CODE)
            study.wait(_LOOK_SECONDS)
            silent = time.monotonic() - max(study.heard, told_at)
            if silent > SILENT_SECONDS:
                told_at = time.monotonic()
                print(f"no worker was heard for {told_at - study.heard:.0f} s: {_where_to_look(local)}", flush=True)
            if warm is None and study.ended:
                # The plots' libraries take seconds to load, and the workers are busy now.
                warm = threading.Thread(target=load_plots, daemon=True)
                warm.start()
            study.expire()
            if (failure := workers.look(study.lose_worker)) is not None:
                study.fail(failure)
        study.wait_for_workers(_FAREWELL_SECONDS)
    if study.failure is not None:
        raise study.failure
    if warm is not None:
        warm.join()
    return _outcome(context, study)


def _outcome(context: BodyContext, study: Study) -> BodyOutcome:
    """Write the report, and return the best trial's params and metrics."""
    from airflow_ml_provider.runtime.stages.tune.report import write_report

    request, options = context.request, context.request.options
    best = _best(study.optuna, study.ended, options)
    metrics = [objective["metric"] for objective in options["objectives"]]
    write_report(
        context.outputs["report"],
        title=f"{request.pipeline}: {request.stage}",
        study=study.optuna,
        records=study.ended,
        metrics=metrics,
        best=best,
    )
    states = [record.state for record in study.ended]
    counts = {f"trials_{state}": float(states.count(state)) for state in ("complete", "pruned", "failed")}
    print(f"Best is trial {best.number}: {_shown(best, metrics)}", flush=True)
    values: dict[str, Any] = {
        "best_params": dict(best.params),
        "study": {"best_trial": best.number, "best_run": best.run_id},
    }
    # A param with a condition may be one that is searched, and by default elsewhere.
    if defaults := {name: value for name, value in study.default_params.items() if name not in best.params}:
        values[DEFAULT_PARAMS] = defaults
    return BodyOutcome(metrics={**best.metrics, **counts}, values=values)


def _where_to_look(local: bool) -> str:
    if local:
        return "they load the code still, or cannot"
    return (
        "look at the pods with the label airflow-ml/worker of this stage (no room, a quota, out of memory?), and "
        "whether a NetworkPolicy lets them reach this pod (airflow-ml manifests prints one)"
    )


def _optuna_study(context: BodyContext, *, kept: int) -> OptunaStudy:
    try:
        import optuna
    except ImportError as error:
        raise ContractError(
            f"tune: this Python has no Optuna ({error}); add optuna to the stage's image, or install "
            f"'airflow-ml-provider[stage]' where stages run as processes"
        ) from error
    from sqlalchemy.exc import SQLAlchemyError

    options, request = context.request.options, context.request
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # The same seed again would sample again what was tried before.
    seeded = {"seed": (options["seed"] + kept) % 2**32} if options["seed"] is not None else {}
    sampler = _made(options["sampler"], of="sampler", more=seeded)
    pruner = _made(options["pruner"], of="pruner", more={})
    storage = os.environ.pop(STUDY_STORAGE_VARIABLE, None)
    try:
        return optuna.create_study(
            storage=storage,
            sampler=sampler,
            pruner=pruner,
            study_name=f"{request.pipeline}/{request.dag_run}/{request.stage}/{request.map_index}/{request.attempt}",
            directions=[objective["direction"] for objective in options["objectives"]],
        )
    except (optuna.exceptions.OptunaError, SQLAlchemyError, ImportError, ValueError) as error:
        # The URL is a secret, and so is what an error quotes of it.
        raise ContractError(
            f"tune: the study's database ({STUDY_STORAGE_VARIABLE}) cannot be used: {type(error).__name__}; try its "
            f"URL with optuna.create_study where the stage runs"
        ) from None


def _made(wanted: Mapping[str, Any], *, of: str, more: Mapping[str, Any]) -> Any:
    import optuna

    module, base = {
        "sampler": (optuna.samplers, optuna.samplers.BaseSampler),
        "pruner": (optuna.pruners, optuna.pruners.BasePruner),
    }[of]
    found = getattr(module, wanted["name"], None)
    if not (isinstance(found, type) and issubclass(found, base) and found is not base):
        known = [name for name in module.__all__ if name not in (base.__name__, "BaseGASampler") and name[0].isupper()]
        raise ContractError(f"tune: Optuna has no {of} {wanted['name']!r}; it has {', '.join(known)}")
    given = {
        name: _made(value, of=NESTED_ALGORITHMS[name], more=more) if name in NESTED_ALGORITHMS and value else value
        for name, value in wanted["options"].items()
    }
    try:
        try:
            return found(**{**more, **given})
        except TypeError:
            if not more:
                raise
            # Some samplers have no seed.
            return found(**given)
    except (TypeError, ValueError, ImportError) as error:
        raise ContractError(f"tune: {of} {wanted['name']} cannot be made: {error}") from error


def _methods(study: Any) -> dict[str, Any]:
    def fail(worker: str, category: str, message: str, traceback: str = "") -> None:
        study.dismiss(worker)
        if category == "user_code":
            study.fail(UserCodeError(message, type="WorkerFailed", traceback=traceback))
        else:
            study.fail(ContractError(message))

    def guarded(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(**given: Any) -> Any:
            try:
                return method(**given)
            except StageError as error:
                study.fail(error)
            except Exception as error:  # noqa: BLE001 - whatever a sampler raises: no further trial would be better off
                study.fail(ContractError(f"tune: the study failed to {name}: {type(error).__name__}: {error}"))
            return {"done": True} if name == "ask" else {"stop": True}

        return call

    methods = {
        "ask": study.ask,
        "report": study.report,
        "tell": study.tell,
        "lose": study.lose,
        "leave": study.leave,
        "fail": fail,
    }
    return {name: guarded(name, method) for name, method in methods.items()}


def _best(study: OptunaStudy, ended: list[TrialRecord], options: Mapping[str, Any]) -> TrialRecord:
    complete = [record for record in ended if record.state == "complete"]
    if not complete:
        last = next((record.message for record in reversed(ended) if record.message), "")
        first, _, rest = last.partition("\n")
        raise UserCodeError(
            f"none of {len(ended)} trials was completed{'; the last failure: ' if first else ''}{first}",
            type="NoTrialCompleted",
            traceback=rest,
        )
    sign = 1 if options["objectives"][0]["direction"] == "minimize" else -1
    if len(options["objectives"]) == 1:
        return min(complete, key=lambda record: (sign * record.values[0], record.number))
    # Of those that no other trial beats in everything, the best in the first objective.
    front = {tuple(trial.values) for trial in study.best_trials}
    return min(
        (record for record in complete if record.values in front),
        key=lambda record: (sign * record.values[0], record.number),
    )


class _ProgressReport:
    """Tells of each trial in one line."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._trials = int(options["trials"])
        self._metrics = [objective["metric"] for objective in options["objectives"]]
        self._sign = 1 if options["objectives"][0]["direction"] == "minimize" else -1
        self._ended = 0
        self._best: TrialRecord | None = None
        self._told_traceback = False
        self._one_at_a_time = threading.Lock()

    def resumed(self, records: list[TrialRecord]) -> None:
        for record in records:
            self._take(record)

    def __call__(self, record: TrialRecord) -> None:
        with self._one_at_a_time:
            self._tell(record)

    def _tell(self, record: TrialRecord) -> None:
        self._take(record)
        best = (
            "" if self._best is None else f"; best {_shown(self._best, self._metrics[:1])} (trial {self._best.number})"
        )
        what = _shown(record, self._metrics) if record.state == "complete" else record.state
        first, _, rest = record.message.partition("\n")
        failed = f": {first}" if first else ""
        if rest and not self._told_traceback:
            # The next ones are most likely the same, and each line is enough of them.
            self._told_traceback = True
            print(rest, flush=True)
        print(
            f"[{self._ended}/{self._trials}] trial {record.number} {what} in {record.seconds:.1f} s "
            f"{dict(record.params)}{failed}{best}",
            flush=True,
        )

    def _take(self, record: TrialRecord) -> None:
        self._ended += 1
        if record.values and (self._best is None or self._sign * record.values[0] < self._sign * self._best.values[0]):
            self._best = record


def _shown(record: TrialRecord, metrics: list[str]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in zip(metrics, record.values, strict=False))


__all__ = ["StageError", "run"]
