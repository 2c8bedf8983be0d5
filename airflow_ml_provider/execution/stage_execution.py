"""One task instance of a stage: request, tracking, run, result, in that order."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_ml_provider.artifacts.checkpoints import committed_checkpoints
from airflow_ml_provider.artifacts.errors import StoreError
from airflow_ml_provider.attempts.attempt import Attempt
from airflow_ml_provider.attempts.identity import StageIdentity
from airflow_ml_provider.decisions.pods.another_pod import Spent, another_pod
from airflow_ml_provider.errors import (
    ClusterCapacityError,
    FinalError,
    StageCapacityError,
    StageFailedError,
    StageSkippedError,
    StageTimeoutError,
)
from airflow_ml_provider.execution.delivery import failure_of, push, summarize
from airflow_ml_provider.execution.stage_request import origin_of, stage_request
from airflow_ml_provider.pod.resources import MAX_MEMORY, in_bytes
from airflow_ml_provider.protocol.artifact import ArtifactRef
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.reuse.stage_reuse import StageReuse
from airflow_ml_provider.runners.local_runner import LocalRunner
from airflow_ml_provider.runners.pod_runner import PodRunner
from airflow_ml_provider.runners.runner import Ended, Runner, read_result
from airflow_ml_provider.settings import MlSettings
from airflow_ml_provider.tracking.tracked_stage import TrackedStage

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ml_provider.operators.stage import StageOperator

BACKSTOP_SECONDS = 120.0
CHECKPOINTS_TRIED = 4
"""From how many checkpoints, the newest first, an attempt tries to go on."""
QUOTA_DELAY = timedelta(seconds=30)
"""How often a deferred task asks again for a pod that a quota refused."""


class StageExecution:
    """Runs one stage of an operator once: what :meth:`StageOperator.execute` does.

    Args:
        operator: The stage, its templates rendered.
        context: The task's context.
    """

    def __init__(self, operator: StageOperator, context: Context) -> None:
        self._operator = operator
        self._context = context
        self._settings = MlSettings.read(store=operator.store, runner=operator.runner)
        self._identity = StageIdentity.of(context, store=self._settings.store)
        self._request = partial(stage_request, operator, context, self._identity)
        self._stopped = False
        self._reuse = (
            None
            if operator.cache_policy is None
            else StageReuse(operator, context, identity=self._identity, settings=self._settings)
        )
        self._runner: Runner = (
            PodRunner(operator, context) if self._settings.runner == "kubernetes" else LocalRunner(operator.log)
        )

    def run(self) -> None:
        """Run the stage, push its outputs and metrics, close its MLflow run.

        An attempt of an earlier try at the same work is not repeated: one that still runs is followed, and a result
        that was committed but not delivered is taken.

        Raises:
            StageConfigurationError: The stage does not fit its code; no retry.
            StageFailedError: The stage's process failed.
            TaskDeferred: The stage runs as a pod and its operator is deferrable.
            MlflowUnavailableError: MLflow did not answer before the work began, or when it was closed.
        """
        operator = self._operator
        if operator.only_in_pods and self._settings.runner == "local":
            operator.log.info("The local runner has no use for %s", ", ".join(operator.only_in_pods))
        request = self._request()
        work = request.work_digest()
        earlier = Attempt.load(self._context)
        if earlier is not None and earlier.work != work:
            self._discard(earlier)
            earlier = None
        found = None if earlier is None else self._result_of(earlier)
        goes_on = found is None and earlier is not None and self._runner.is_running(earlier)
        taken = earlier if found is not None or goes_on else None
        kept = None if taken is not None or self._reuse is None else self._reuse.consider(request)
        tracked = TrackedStage.open(
            mlflow_conn_id=operator.mlflow_conn_id,
            experiment=operator.experiment or self._identity.pipeline,
            identity=self._identity,
            kind=operator.kind,
            run_per_attempt=operator.run_per_attempt,
            settings=self._settings,
            context=self._context,
            needed=operator.needs_tracking,
            attempt_run="" if kept else None if taken is None else "" if taken.runs is None else taken.runs.child,
        )
        with tracked:
            if found is not None:
                result = found
                operator.log.info("Attempt %s finished but was not delivered: taking its result", result.attempt)
                self._discard(taken)
            elif kept is not None:
                self._discard(earlier)
                result = kept.result
            else:
                if taken is None:
                    self._discard(earlier)
                    attempt = self._begin(request, tracked, spent=Spent(), before=earlier)
                else:
                    operator.log.info("Attempt %s of an earlier try still runs: following it", taken.attempt)
                    self._runner.follow(taken)
                    own = replace(request, attempt=taken.attempt, attempt_uri=taken.uri, tracking=tracked.tracking)
                    self._runner.accompany(taken, own, secrets=tracked.secrets)
                    attempt = taken
                result = self._result_after(self._wait(), attempt, tracked, request)
            branch = self._deliver(result, tracked)
        self._leave(branch)

    def resume(self, event: Any) -> None:
        """Go on after a deferral: deliver what the trigger saw, or ask once more for a pod that a quota refused.

        Args:
            event: What the trigger saw of the pod, a mapping; anything else when there was no pod yet.

        Raises:
            StageFailedError: The stage failed, or nothing is known any more of the attempt that was begun.
            ClusterError: The pod could not be followed.
            MlflowUnavailableError: MLflow did not answer when the run was closed.
        """
        attempt = Attempt.load(self._context)
        if attempt is None or not isinstance(self._runner, PodRunner):
            raise StageFailedError(
                "the task resumed, but its attempt is not in the task state store any more; a retry runs it anew"
            )
        with self._resumed(attempt) as tracked:
            if isinstance(event, Mapping):
                ended = self._runner.harvest(attempt, event)
            else:
                attempt = self._begin_again(attempt, tracked)
                ended = self._wait()
            result = self._result_after(ended, attempt, tracked, None)
            branch = self._deliver(result, tracked)
        self._leave(branch)

    def abandon(self, error: BaseException) -> NoReturn:
        """Airflow ended the wait: remove the pod, close the runs, and fail as it says.

        Raises:
            BaseException: Always, the error.
        """
        attempt = Attempt.load(self._context)
        if attempt is None:
            raise error
        with self._resumed(attempt):
            self._discard(attempt)
            raise error

    def stop(self) -> None:
        """End the stage's work; called from Airflow's signal handler."""
        self._stopped = True
        self._runner.stop()

    def _begin(self, request: StageRequest, tracked: TrackedStage, *, spent: Spent, before: Attempt | None) -> Attempt:
        identity, log = self._identity, self._operator.log
        number, uri = identity.claim_attempt(origin_of(request, image=self._image))
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
        attempt.save(self._context)
        log.info("Stage %s (%s), attempt %s in %s", identity.label, request.kind, number, uri)
        return self._start(attempt)

    def _checkpoints_of(self, before: Attempt) -> tuple[ArtifactRef, ...]:
        try:
            found = committed_checkpoints(before.uri)
        except StoreError as error:
            self._operator.log.warning("Checkpoints of attempt %s cannot be read: %s", before.attempt, error)
            found = ()
        return (*found, *before.checkpoints)[:CHECKPOINTS_TRIED]

    @property
    def _image(self) -> str:
        """The image that a pod of this stage runs in, empty for a process or one that a template names."""
        if self._settings.runner == "local":
            return ""
        return str(self._operator.image or self._settings.image or "")

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

    def _resumed(self, attempt: Attempt) -> TrackedStage:
        return TrackedStage.resume(
            attempt.runs,
            mlflow_conn_id=self._operator.mlflow_conn_id,
            experiment=self._operator.experiment or self._identity.pipeline,
            identity=self._identity,
            kind=self._operator.kind,
            run_per_attempt=self._operator.run_per_attempt,
            context=self._context,
        )

    def _start(self, attempt: Attempt) -> Attempt:
        try:
            uid = self._runner.start(patient=not self._may_defer)
        except ClusterCapacityError as error:
            if self._may_defer:
                self._defer_for_room(attempt, error)
            raise StageCapacityError(str(error)) from error
        if attempt.pod is not None:
            attempt = replace(attempt, pod=replace(attempt.pod, uid=uid))
            attempt.save(self._context)
        return attempt

    def _defer_for_room(self, attempt: Attempt, error: ClusterCapacityError) -> NoReturn:
        # Not imported with the module: most stages never wait for a quota.
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        limit, since = self._operator.capacity_timeout, attempt.waiting_since or time.time()
        if limit is not None and time.time() - since > limit.total_seconds():
            raise StageCapacityError(str(error)) from error
        assert isinstance(self._runner, PodRunner)
        left = self._runner.time_left()
        if left is not None and left < QUOTA_DELAY:
            raise StageTimeoutError(f"the task's execution_timeout is over before there is room: {error}")
        replace(attempt, waiting_since=since).save(self._context)
        self._operator.log.warning("Waiting for room: %s", error)
        self._operator.defer(trigger=TimeDeltaTrigger(QUOTA_DELAY), method_name="resume", timeout=left)

    def _result_after(
        self, ended: Ended, attempt: Attempt, tracked: TrackedStage, request: StageRequest | None
    ) -> StageResult:
        """Return the result of an attempt, or of another pod that follows it within this try."""
        while ended.result is None or ended.outcome.verdict != "success":
            spent = self._another_pod(ended, attempt.spent)
            if spent is None:
                self._skip_on_exit_code(ended)
                raise failure_of(ended)
            self._operator.log.warning("%s\nAnother pod is started within this try", ended.outcome.message)
            tracked.another(ended.outcome.message)
            request = request or self._request()
            attempt = self._begin(request, tracked, spent=spent, before=attempt)
            ended = self._wait()
        self._skip_on_exit_code(ended)
        return ended.result

    def _another_pod(self, ended: Ended, spent: Spent) -> Spent | None:
        resources = self._operator.stage_resources or {}
        return another_pod(
            ended.outcome,
            spent,
            max_disruptions=self._operator.max_disruptions,
            memory=in_bytes(ended.memory_limit),
            max_memory=in_bytes(resources.get(MAX_MEMORY, 0)),
        )

    def _skip_on_exit_code(self, ended: Ended) -> None:
        failure = None if ended.result is None else ended.result.failure
        ours = failure is not None and failure.category != "user_code"
        if not ours and ended.exit_code in self._operator.skip_on_exit_code:
            # Nothing is left to be delivered: a clear of this task runs anew.
            Attempt.forget(self._context)
            raise StageSkippedError(f"exit code {ended.exit_code} is one to skip on (skip_on_exit_code)")

    def _discard(self, attempt: Attempt | None) -> None:
        if attempt is not None:
            self._runner.discard(attempt)

    def _deliver(self, result: StageResult, tracked: TrackedStage) -> Sequence[str] | None:
        operator, context = self._operator, self._context
        if operator.do_xcom_push:
            push(context["ti"], result)
        summarize(operator.log, result)
        tracked.finish(result, hyperparameters=operator.tracked_params(result))
        if self._reuse is not None:
            tracked.tag(self._reuse.tags(result, request_anew=self._request))
        try:
            branch = operator.accept(context, result)
        except FinalError:
            # The result was delivered, and refused: a clear of this task runs anew.
            Attempt.forget(context)
            raise
        if self._reuse is not None:
            self._reuse.delivered(mlflow_run=tracked.runs.child if tracked.runs else "")
        return branch

    def _leave(self, branch: Sequence[str] | None) -> None:
        Attempt.forget(self._context)
        if self._reuse is not None:
            self._reuse.left()
        if branch is not None:
            self._operator.take_branch(self._context, branch)

    def _wait(self) -> Ended:
        if isinstance(runner := self._runner, PodRunner) and self._may_defer:
            ended = runner.wait_briefly(self._settings.defer_after)
            if ended is not None:
                return ended
            # Later than the trigger's own deadline, whose event lets the task delete the pod.
            runner.defer(more=BACKSTOP_SECONDS)
        return self._runner.wait()

    @property
    def _may_defer(self) -> bool:
        # Told to end meanwhile: waiting here deletes the pod, a task that Airflow ended cannot be deferred.
        return self._operator.deferrable and isinstance(self._runner, PodRunner) and not self._stopped

    def _result_of(self, attempt: Attempt) -> StageResult | None:
        result = read_result(attempt.uri)
        return None if result is None or result.failure is not None else result
