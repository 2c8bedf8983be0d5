"""One task instance of a stage: request, tracking, run, result; then gate, tracking, outputs, always in that order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_ml_provider.artifacts.checkpoints import committed_checkpoints
from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.attempts.attempt import Attempt
from airflow_ml_provider.decisions.pods.another_pod import MAX_MEMORY, Spent, another_pod
from airflow_ml_provider.decisions.quantity import in_bytes
from airflow_ml_provider.errors import FinalError, StageFailedError, StageSkippedError
from airflow_ml_provider.execution.delivery import PendingOutputs, failure_of, failure_pushed, push, summarize
from airflow_ml_provider.execution.stage_request import origin_of, stage_request
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.reuse.stage_reuse import StageReuse
from airflow_ml_provider.runners.runner import Ended, Runner, read_result
from airflow_ml_provider.tracking.tracked_stage import TrackedStage

if TYPE_CHECKING:
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.kinds.stage import Stage

CHECKPOINTS_TRIED = 4
"""From how many checkpoints, the newest first, an attempt tries to go on."""


class StageExecution:
    """Runs one stage once.

    Args:
        stage: The stage.
        run: The task instance.
        runner: What runs its attempts.
    """

    def __init__(self, stage: Stage, run: RunContext, runner: Runner) -> None:
        self._stage = stage
        self._run = run
        self._runner = runner
        self._request = partial(stage_request, stage, run)
        self._reuse = (
            None
            if stage.cache_policy is None
            else StageReuse(stage, run, image=partial(runner.image, of_template=True))
        )
        run.stop.then(runner.stop)

    def run(self) -> None:
        """Run the stage, push its outputs and metrics, close its MLflow run.

        An attempt of an earlier try at the same work is not repeated: one that still runs is followed, and a result
        that was committed but not delivered is taken.

        Raises:
            StageConfigurationError: The stage does not fit its code; no retry.
            StageFailedError: The stage's process failed.
            MlflowUnavailableError: MLflow did not answer before the work began, or when it was closed.
            BaseException: One of the run's suspensions: the task goes on elsewhere.
        """
        with failure_pushed(self._run.outputs):
            self._run_stage()

    def _run_stage(self) -> None:
        stage, run = self._stage, self._run
        if stage.is_done(run):
            return
        if stage.only_in_pods and run.settings.runner == "local":
            run.log.info("The local runner has no use for %s", ", ".join(stage.only_in_pods))
        stage.take(run)
        request = self._request()
        work = request.work_digest()
        earlier = Attempt.load(run.state)
        if earlier is not None and earlier.work != work:
            self._discard(earlier)
            earlier = None
        found = None if earlier is None else self._result_of(earlier)
        goes_on = found is None and earlier is not None and self._runner.is_running(earlier)
        taken = earlier if found is not None or goes_on else None
        kept = None if taken is not None or self._reuse is None else self._reuse.consider(request)
        attempt_run = "" if kept else None if taken is None else "" if taken.runs is None else taken.runs.child
        with self._outputs_last() as pending, TrackedStage.open(stage, run, attempt_run=attempt_run) as tracked:
            if found is not None:
                result = found
                run.log.info("Attempt %s finished but was not delivered: taking its result", result.attempt)
                self._discard(taken)
            elif kept is not None:
                self._discard(earlier)
                result = kept.result
            else:
                if taken is None:
                    self._discard(earlier)
                    attempt = self._begin(request, tracked, spent=Spent(), before=earlier)
                else:
                    run.log.info("Attempt %s of an earlier try still runs: following it", taken.attempt)
                    self._runner.follow(taken)
                    own = replace(request, attempt=taken.attempt, attempt_uri=taken.uri, tracking=tracked.tracking)
                    self._runner.accompany(taken, own, secrets=tracked.secrets)
                    attempt = taken
                result = self._result_after(self._runner.wait(), attempt, tracked, request)
            branch = self._judge(result, tracked, pending)
        self._leave(branch)

    def resume(self, event: Any) -> None:
        """Go on after a suspension: deliver what was seen elsewhere, or ask again for a pod that a quota refused.

        Args:
            event: What was seen of the pod, a mapping; anything else when there was no pod yet.

        Raises:
            StageFailedError: The stage failed, or nothing is known any more of the attempt that was begun.
            ClusterError: The pod could not be followed.
            MlflowUnavailableError: MLflow did not answer when the run was closed.
        """
        with failure_pushed(self._run.outputs):
            self._resume(event)

    def _resume(self, event: Any) -> None:
        attempt = Attempt.load(self._run.state)
        if attempt is None or attempt.pod is None:
            raise StageFailedError(
                "the task resumed, but its attempt is not in the task state store any more; a retry runs it anew"
            )
        tracking = TrackedStage.resume(self._stage, self._run, runs=attempt.runs)
        with self._outputs_last() as pending, tracking as tracked:
            if isinstance(event, Mapping):
                ended = self._runner.harvest(attempt, event)
            else:
                attempt = self._begin_again(attempt, tracked)
                ended = self._runner.wait()
            result = self._result_after(ended, attempt, tracked, None)
            branch = self._judge(result, tracked, pending)
        self._leave(branch)

    def abandon(self, error: BaseException) -> NoReturn:
        """The wait elsewhere was ended: remove the pod, close the runs, and fail as it says.

        Raises:
            BaseException: Always, the error.
        """
        attempt = Attempt.load(self._run.state)
        with failure_pushed(self._run.outputs):
            if attempt is None:
                raise error
            with TrackedStage.resume(self._stage, self._run, runs=attempt.runs):
                self._discard(attempt)
                raise error

    def _begin(self, request: StageRequest, tracked: TrackedStage, *, spent: Spent, before: Attempt | None) -> Attempt:
        identity, log = self._run.identity, self._run.log
        number, uri = identity.claim_attempt(origin_of(request, image=self._runner.image(of_template=False)))
        work = request.work_digest()
        if self._reuse is not None:
            self._reuse.note(uri, request)
        checkpoints = request.checkpoints
        if checkpoints is not None and before is not None:
            checkpoints = replace(checkpoints, resume=self._checkpoints_of(before))
        request = replace(request, attempt=number, attempt_uri=uri, tracking=tracked.tracking, checkpoints=checkpoints)
        pod = self._runner.prepare(request, secrets=tracked.secrets, memory=spent.memory)
        attempt = Attempt(
            number,
            uri,
            work,
            runs=tracked.runs,
            pod=pod,
            spent=spent,
            checkpoints=() if checkpoints is None else checkpoints.resume,
        )
        attempt.save(self._run.state)
        log.info("Stage %s (%s), attempt %s in %s", identity.label, request.kind, number, uri)
        return self._start(attempt)

    def _checkpoints_of(self, before: Attempt) -> tuple[ArtifactRef, ...]:
        try:
            found = committed_checkpoints(before.uri)
        except StoreError as error:
            self._run.log.warning("Checkpoints of attempt %s cannot be read: %s", before.attempt, error)
            found = ()
        return (*found, *before.checkpoints)[:CHECKPOINTS_TRIED]

    def _begin_again(self, attempt: Attempt, tracked: TrackedStage) -> Attempt:
        """Ask once more for the pod that a quota refused."""
        request = self._request()
        if request.checkpoints is not None:
            request = replace(request, checkpoints=replace(request.checkpoints, resume=attempt.checkpoints))
        if self._reuse is not None:
            self._reuse.note(attempt.uri, request)
        request = replace(request, attempt=attempt.attempt, attempt_uri=attempt.uri, tracking=tracked.tracking)
        self._runner.prepare(request, secrets=tracked.secrets, memory=attempt.spent.memory)
        return self._start(attempt)

    def _start(self, attempt: Attempt) -> Attempt:
        def note(since: float) -> None:
            replace(attempt, waiting_since=since).save(self._run.state)

        uid = self._runner.start(waiting_since=attempt.waiting_since, note=note)
        if attempt.pod is None:
            return attempt
        started = replace(attempt, pod=replace(attempt.pod, uid=uid))
        started.save(self._run.state)
        return started

    def _result_after(
        self, ended: Ended, attempt: Attempt, tracked: TrackedStage, request: StageRequest | None
    ) -> StageResult:
        """Return the result of an attempt, or of another pod that follows it within this try."""
        while ended.result is None or ended.outcome.verdict != "success":
            spent = self._another_pod(ended, attempt.spent)
            if spent is None:
                self._skip_on_exit_code(ended)
                raise failure_of(ended)
            self._run.log.warning("%s\nAnother pod is started within this try", ended.outcome.message)
            tracked.another(ended.outcome.message)
            request = request or self._request()
            attempt = self._begin(request, tracked, spent=spent, before=attempt)
            ended = self._runner.wait()
        self._skip_on_exit_code(ended)
        return ended.result

    def _another_pod(self, ended: Ended, spent: Spent) -> Spent | None:
        resources = self._stage.stage_resources or {}
        return another_pod(
            ended.outcome,
            spent,
            max_disruptions=self._stage.max_disruptions,
            memory=in_bytes(ended.memory_limit),
            max_memory=in_bytes(resources.get(MAX_MEMORY, 0)),
        )

    def _skip_on_exit_code(self, ended: Ended) -> None:
        failure = None if ended.result is None else ended.result.failure
        ours = failure is not None and failure.category != "user_code"
        if not ours and ended.exit_code in self._stage.skip_on_exit_code:
            # Nothing is left to be delivered: a clear of this task runs anew.
            Attempt.forget(self._run.state)
            raise StageSkippedError(f"exit code {ended.exit_code} is one to skip on (skip_on_exit_code)")

    def _discard(self, attempt: Attempt | None) -> None:
        if attempt is not None:
            self._runner.discard(attempt)

    @contextmanager
    def _outputs_last(self) -> Iterator[PendingOutputs]:
        """Push what the block left pending once it has ended, also after a verdict that fails the task."""
        pending = PendingOutputs()
        try:
            yield pending
        except FinalError:
            if pending.judged:
                pending.push_to(self._run.outputs)
            raise
        pending.push_to(self._run.outputs)

    def _judge(self, result: StageResult, tracked: TrackedStage, pending: PendingOutputs) -> Sequence[str] | None:
        """Decide on a result; it is tracked when its MLflow run is closed, and handed on after that."""
        stage, run = self._stage, self._run
        if stage.do_xcom_push:
            push(pending, result)
        summarize(run.log, result)
        tracked.finish(result, hyperparameters=stage.tracked_params(result))
        if self._reuse is not None:
            tracked.tag(self._reuse.tags(result, request_anew=self._request))
        try:
            later = replace(run, outputs=pending)
            branch = stage.accept(later, result)
            stage.act(later, result)
        except FinalError:
            # The result was judged, and refused: a clear of this task runs anew.
            pending.judged = True
            Attempt.forget(run.state)
            raise
        if self._reuse is not None:
            self._reuse.delivered(mlflow_run=tracked.runs.child if tracked.runs else "")
        return branch

    def _leave(self, branch: Sequence[str] | None) -> None:
        Attempt.forget(self._run.state)
        if self._reuse is not None:
            self._reuse.left()
        if branch is not None:
            self._run.flow.take(branch)

    def _result_of(self, attempt: Attempt) -> StageResult | None:
        result = read_result(attempt.uri)
        return None if result is None or result.failure is not None else result
