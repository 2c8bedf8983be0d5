"""What became of a stage's pod: its last state and its result, read together."""

from __future__ import annotations

from dataclasses import replace

from airflow_ml_provider.decisions.failure_line import failure_line
from airflow_ml_provider.decisions.outcome import StageOutcome, read_outcome
from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.protocol.plain_text import printable
from airflow_ml_provider.protocol.result import StageResult
from airflow_ml_provider.protocol.staged import MAIN
from airflow_ml_provider.protocol.termination import digest_in_message, result_in_message

# https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions and what kubelets say.
_DISRUPTING_REASONS = (
    "Evicted",
    "NodeLost",
    "NodeShutdown",
    "Terminated",
    "Shutdown",
    "Preempting",
    "NodeAffinity",
    "UnexpectedAdmissionError",
)
_SAID_LENGTH = 500
"""Characters of a termination message that stand in the task's error."""

# A container whose program the runtime could not start.
_NOT_STARTED = ("StartError", "ContainerCannotRun")


def read_pod_outcome(state: PodState | None, result: StageResult | None) -> StageOutcome:
    """Judge one attempt in a pod.

    Args:
        state: The pod's last state that was seen, ``None`` when it vanished before any was.
        result: The result that the attempt left, ``None`` when it left none.
    """
    if result is not None and result.failure is None and (state is None or state.exit_code in (0, None)):
        # The result is the last object that an attempt writes: it stands although its pod is gone.
        return StageOutcome("success")
    if state is None:
        return StageOutcome("disrupted", "the pod vanished before it was seen; somebody or something deleted it")
    if state.container_reason in _NOT_STARTED:
        reason = f"the container cannot be started ({state.container_reason}): {state.termination_message}"
        return StageOutcome("configuration", _line(reason, state, "start"))
    if state.container_reason == "OOMKilled" and state.step not in ("", MAIN):
        reason = f"container {state.step!r} used more memory than it may (limit {state.memory_limit})"
        return StageOutcome("killed", _line(reason, state, "step"))
    if state.container_reason == "OOMKilled":
        return StageOutcome("out_of_memory", _out_of_memory(state))
    if state.pod_reason == "DeadlineExceeded":
        return StageOutcome("deadline", _line("the pod was active longer than its deadline allows", state, "deadline"))
    if result is not None and result.failure is not None:
        return read_outcome(state.exit_code or 0, result)
    if state.init_failure and state.exit_code is None:
        return StageOutcome("init_container", _line(state.init_failure, state, "init_container"))
    if _is_disrupted(state):
        return StageOutcome("disrupted", _line(_disruption(state), state, "disrupted"))
    if state.step == MAIN and state.exit_code:
        return StageOutcome("user_code", _line("the command failed", state, "user_code") + _said(state))
    outcome = read_outcome(0 if state.exit_code is None else state.exit_code, result)
    return outcome if outcome.verdict == "success" else replace(outcome, message=outcome.message + _said(state))


def _said(state: PodState) -> str:
    """Return the termination message of a stage that left no result in it: its own program wrote it."""
    said = printable(" ".join(state.termination_message.split()))[:_SAID_LENGTH]
    if not said or digest_in_message(said) is not None or result_in_message(state.termination_message) is not None:
        return ""
    return f"; its termination message: {said}"


def _is_disrupted(state: PodState) -> bool:
    # OutOfcpu and its like: a node took the pod and found that it had no room after all.
    refused = state.pod_reason.startswith("OutOf") or state.pod_reason in _DISRUPTING_REASONS
    return bool(state.disruption or refused or state.deleting) or not state.ended


def _disruption(state: PodState) -> str:
    reason = state.disruption or state.pod_reason
    if reason:
        detail = f": {state.pod_message}" if state.pod_message else ""
        return f"the pod was disrupted ({reason}){detail}"
    return "the pod was deleted while the stage ran"


def _out_of_memory(state: PodState) -> str:
    given = f"limit {state.memory_limit or 'none'}, request {state.memory_request or 'none'}"
    return _line(f"the stage used more memory than it may ({given})", state, "out_of_memory")


def _line(reason: str, state: PodState, verdict: str) -> str:
    return failure_line(reason, verdict, exit_code="none" if state.exit_code is None else state.exit_code)
