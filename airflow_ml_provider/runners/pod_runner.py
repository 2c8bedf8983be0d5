"""The Kubernetes runner: a stage as a pod, followed by a watch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.exceptions import TaskDeferred
from kubernetes.client import V1Job, V1Pod

from airflow_ml_provider.attempts.attempt import Attempt, PodIdentity
from airflow_ml_provider.decisions.outcome import StageOutcome
from airflow_ml_provider.decisions.pods.cleanup import deletes
from airflow_ml_provider.decisions.pods.hand_over import HandOver
from airflow_ml_provider.decisions.pods.pod_outcome import read_pod_outcome
from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.errors import (
    ClusterCapacityError,
    ClusterError,
    ClusterForbiddenError,
    StageCapacityError,
    StageKilledError,
    StageTimeoutError,
)
from airflow_ml_provider.hooks.cluster_errors import LoginRefusedError
from airflow_ml_provider.hooks.jobs import create_job
from airflow_ml_provider.hooks.pods import Pods
from airflow_ml_provider.pod.compose import stage_container
from airflow_ml_provider.pod.resources import give_memory
from airflow_ml_provider.pod.worker_job import owned_by
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runners.container_logs import ContainerLogs
from airflow_ml_provider.runners.deferral import defer_for_room, defer_to_pod
from airflow_ml_provider.runners.pod_callbacks import PodCallbacks
from airflow_ml_provider.runners.pod_creation import create_patiently
from airflow_ml_provider.runners.pod_follower import PodFollower
from airflow_ml_provider.runners.pod_result import pod_result
from airflow_ml_provider.runners.pod_settings import PodSettings
from airflow_ml_provider.runners.pod_story import PodStory
from airflow_ml_provider.runners.runner import Ended, ended_pod
from airflow_ml_provider.runners.stage_pod import stage_pod

if TYPE_CHECKING:
    from airflow_ml_provider.attempts.run_context import RunContext
    from airflow_ml_provider.kinds.stage import Stage


class PodRunner:
    """Runs one request as a pod.

    Args:
        settings: The pod.
        stage: The stage.
        run: The task instance.
    """

    def __init__(self, settings: PodSettings, stage: Stage, run: RunContext) -> None:
        self._settings = settings
        self._stage = stage
        self._run = run
        self._pod: V1Pod | None = None
        self._companion: V1Job | None = None
        self._identity: PodIdentity | None = None
        self._attempt_uri = ""
        self._follower = PodFollower(container=settings.container, patience=settings.patience, warn=run.log.warning)
        self._hand_over: HandOver | None = None
        self._is_new = False
        self._stopped = False
        self._namespaces: dict[str, Pods] = {}
        self._callbacks = PodCallbacks(settings, log=run.log)

    def prepare(self, request: StageRequest, *, secrets: Mapping[str, str], memory: int) -> PodIdentity:
        """Compose the pod.

        Raises:
            StageConfigurationError: The arguments give no pod that can run a stage.
        """
        has_companion = self._stage.has_companion
        own = 0 if has_companion else memory
        pod = self._pod = stage_pod(self._settings, request, secrets=secrets, memory=own, log=self._run.log)
        if has_companion:
            self._companion = self._stage.companion(pod, container=self._settings.container)
            if memory:
                # What ran out of memory is the stage's pod, and not its companion.
                give_memory(stage_container(pod, self._settings.container, stage=request.stage), memory)
        self._identity = PodIdentity(pod.metadata.namespace, pod.metadata.name)
        self._attempt_uri = request.attempt_uri
        return self._identity

    def start(self, *, waiting_since: float, note: Callable[[float], None]) -> str:
        """Create the pod.

        Args:
            waiting_since: When a quota first refused it, in seconds since the epoch; 0 when none did.
            note: Keeps when that was, where the task goes on waiting in a triggerer.

        Raises:
            ClusterForbiddenError: The right to create pods is missing.
            StageCapacityError: A quota is used up, and was for as long as ``capacity_timeout`` says.
            ClusterError: Kubernetes refused the pod.
            StageKilledError: ``stop`` was called before.
            TaskDeferred: A quota is used up, and the stage is deferrable.
        """
        assert self._pod is not None
        assert self._identity is not None
        if self._stopped:
            raise StageKilledError("the task received SIGTERM before its stage began")
        pods = self._pods(self._identity)
        self._is_new, self._hand_over = True, None
        self._callbacks.made(self._pod)
        try:
            created = self._create(pods, self._pod)
        except ClusterCapacityError as error:
            if self._may_defer:
                defer_for_room(self._settings, error, since=waiting_since or time.time(), note=note, log=self._run.log)
            raise StageCapacityError(str(error)) from error
        self._identity = PodIdentity(self._identity.namespace, self._identity.name, created["metadata"]["uid"])
        with ExitStack() as on_error:
            on_error.callback(self._remove, self._identity, succeeded=False, ended=False)
            self._start_companion(self._identity)
            on_error.pop_all()
        self._callbacks.created(created)
        self._run.outputs.push("pod_name", self._identity.name)
        self._run.outputs.push("pod_namespace", self._identity.namespace)
        return self._identity.uid

    def is_running(self, attempt: Attempt) -> bool:
        """Whether the attempt's pod is there, was not deleted, and its stage has not ended."""
        pod = None if attempt.pod is None else self._pods(attempt.pod).read(attempt.pod.name)
        if pod is None:
            return False
        state = PodState.of(pod, container=self._settings.container)
        return not state.ended and not state.deleting

    def follow(self, attempt: Attempt) -> None:
        """Take over a pod that runs."""
        self._is_new = False
        self._identity = attempt.pod
        self._attempt_uri = attempt.uri

    def accompany(self, attempt: Attempt, request: StageRequest, *, secrets: Mapping[str, str]) -> None:
        """Start the companion of a pod that is followed, should the one who created the pod not have come so far."""
        if self._stage.has_companion and attempt.pod is not None:
            self.prepare(request, secrets=secrets, memory=attempt.spent.memory)
            try:
                self._start_companion(attempt.pod)
            except ClusterError as error:
                # It is there most likely, and a study that waits for its workers says so.
                self._run.log.warning("The companion of pod %s could not be looked after: %s", attempt.pod, error)

    def wait(self) -> Ended:
        """Follow the pod to the end of its stage, log what it logs, remove it.

        Raises:
            ClusterUnavailableError: The API server was away for 15 minutes.
            StageKilledError: ``stop`` was called; the pod was deleted, unless ``on_kill_action`` keeps it.
            TaskDeferred: The stage is deferrable, and takes longer than ``[ml] defer_after``.
        """
        if self._may_defer:
            ended = self._wait_briefly(self._settings.defer_after)
            if ended is not None:
                return ended
            self._defer()
        ended = self._wait(None)
        assert ended is not None
        return ended

    def image(self, *, of_template: bool) -> str:
        """Return the image of the stage's container, empty where none is named."""
        return self._settings.image() if of_template else self._settings.named_image

    @property
    def _may_defer(self) -> bool:
        # Told to end meanwhile: waiting here deletes the pod, a task that Airflow ended cannot be deferred.
        return self._settings.deferrable and not self._stopped

    def _wait_briefly(self, seconds: float) -> Ended | None:
        """Follow the pod for a time; returns ``None`` when the stage still runs then, or is not waited for here."""
        logs, left = self._settings.logs, self._settings.time_left()
        # Logs of further containers are shown by the task that resumes, and functions get all lines or none.
        whole = logs.containers or logs.init_containers or self._settings.callbacks or logs.formatter or logs.progress
        if not seconds or whole or not self._is_new:
            return None
        return self._wait(seconds if left is None else min(seconds, left.total_seconds()))

    def _defer(self) -> NoReturn:
        """Leave the pod to a triggerer.

        Raises:
            TaskDeferred: Always, but when ``stop`` was called.
            StageKilledError: ``stop`` was called; the pod was deleted.
        """
        assert self._identity is not None
        with ExitStack() as on_error:
            on_error.callback(self._remove, self._identity, succeeded=False, ended=False)
            if self._stopped:
                raise StageKilledError("the task received SIGTERM, and its pod with it")
            try:
                defer_to_pod(self._settings, self._identity, hand_over=self._hand_over)
            except TaskDeferred:
                on_error.pop_all()
                raise

    def _wait(self, seconds: float | None) -> Ended | None:
        assert self._identity is not None
        identity = self._identity
        pods = self._pods(identity)
        story = PodStory(pods, identity, log=self._run.log)
        logs = self._logs(pods, identity)

        def see(pod: dict[str, Any], state: PodState) -> None:
            story.tell(state)
            logs.see(pod, state)
            if state.started:
                self._callbacks.starting(pod)

        with ExitStack() as on_error:
            on_error.callback(self._remove, identity, succeeded=False, ended=False)
            seen = self._follower.follow(pods, identity.name, see=see, seconds=seconds)
            if seen is None:
                waited, mark = self._follower.waited, logs.leave()
                self._hand_over = HandOver.of(at=time.time(), log=mark, waited=waited, tail=logs.tail)
            on_error.pop_all()
        if seen is None:
            return None
        outcome, state = seen
        if not logs.finish(state):
            self._run.log.warning("The end of the container's log did not come in time: lines may be missing")
        result = pod_result(state, attempt_uri=self._attempt_uri, log=self._run.log)
        if outcome is None:
            outcome = read_pod_outcome(state, result)
        if outcome.verdict != "success":
            story.tell_events()
        self._end(identity, outcome, state)
        return ended_pod(outcome, result, logs.tail, state)

    def _logs(self, pods: Pods, identity: PodIdentity) -> ContainerLogs:
        settings = self._settings
        return ContainerLogs(
            pods,
            identity.name,
            settings=settings.logs,
            container=settings.log_container,
            callbacks=self._callbacks,
            log=self._run.log,
        )

    def _end(self, identity: PodIdentity, outcome: StageOutcome, state: PodState | None) -> None:
        """Remove a pod that was followed to its end, with what is called around that."""
        pod: dict[str, Any] | None = None
        if self._settings.callbacks:
            with suppress(ClusterError, ClusterForbiddenError):
                pod = self._pods(identity).read(identity.name)
        with ExitStack() as stack:
            stack.callback(self._callbacks.removed, pod)
            stack.callback(
                self._remove,
                identity,
                succeeded=outcome.verdict == "success",
                ended=state is None or state.ended,
                active=state is not None and state.phase in ("Pending", "Running"),
            )
            self._callbacks.completed(pod)

    def harvest(self, attempt: Attempt, event: Mapping[str, Any]) -> Ended:
        """Return what the trigger saw as the end of an attempt, and remove its pod.

        Raises:
            StageTimeoutError: The task's time was up.
            ClusterError: The pod could not be followed.
        """
        assert attempt.pod is not None
        self.follow(attempt)
        state = None if event["state"] is None else PodState(**event["state"])
        ended = event["gone"] or (state is not None and state.ended)
        result = pod_result(state, attempt_uri=self._attempt_uri, log=self._run.log)
        outcome = StageOutcome(**event["outcome"]) if event["outcome"] else read_pod_outcome(state, result)
        undecided = not ended and (event["timed_out"] or event["failure"])
        logs = self._logs(self._pods(attempt.pod), attempt.pod)
        logs.show(state)
        if undecided:
            self._remove(attempt.pod, succeeded=False, ended=False)
        else:
            self._end(attempt.pod, outcome, state)
        if undecided and event["timed_out"]:
            raise StageTimeoutError(f"pod {attempt.pod} was deleted: the task's execution_timeout was over")
        if undecided:
            name, message = event["failure"]
            refused = name in (ClusterForbiddenError.__name__, LoginRefusedError.__name__)
            raise (ClusterForbiddenError if refused else ClusterError)(message)
        return ended_pod(outcome, result, logs.tail or event["tail"], state)

    def discard(self, attempt: Attempt) -> None:
        """Delete the attempt's pod."""
        if attempt.pod is not None:
            self._remove(attempt.pod, succeeded=False, ended=not self.is_running(attempt))

    def stop(self) -> None:
        """Wake the waiting thread, which deletes the pod: no network in a signal handler."""
        self._stopped = True
        self._follower.stop()

    def _start_companion(self, identity: PodIdentity) -> None:
        if self._companion is None:
            return
        uid = identity.uid
        if not uid:
            found = self._pods(identity).read(identity.name)
            if found is None:
                return
            uid = found["metadata"]["uid"]
        assert self._pod is not None
        create_job(self._settings.client(), owned_by(self._companion, self._pod, uid=uid))

    def _create(self, pods: Pods, pod: V1Pod) -> dict[str, Any]:
        if self._may_defer:
            return pods.create(pod)
        return create_patiently(pods, pod, settings=self._settings, rest=self._follower.rest, log=self._run.log)

    def _remove(self, identity: PodIdentity, *, succeeded: bool, ended: bool, active: bool = False) -> None:
        settings, log = self._settings, self._run.log
        if self._stopped and not ended and settings.keep_on_kill:
            log.info("Pod %s lives on (on_kill_action is keep_pod): the next try follows it", identity)
            return
        if not deletes(settings.on_finish_action, succeeded=succeeded, ended=ended, active=active):
            log.info("Pod %s is kept (on_finish_action is %s)", identity, settings.on_finish_action)
            return
        try:
            self._pods(identity).delete(identity.name, grace_seconds=settings.grace_seconds)
        except (ClusterError, ClusterForbiddenError) as error:
            log.warning("Pod %s is left behind, the next try or 'finish' removes it: %s", identity, error)

    def _pods(self, identity: PodIdentity) -> Pods:
        if identity.namespace not in self._namespaces:
            self._namespaces[identity.namespace] = Pods(self._settings.client(), namespace=identity.namespace)
        return self._namespaces[identity.namespace]
