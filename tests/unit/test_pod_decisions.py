"""What is decided about pods: their state, their start, their end, and whether another one follows."""

import datetime as dt
import logging
from dataclasses import replace

import pytest

from airflow_ml_provider.decisions.outcome import StageOutcome
from airflow_ml_provider.decisions.pods.another_pod import Spent, another_pod
from airflow_ml_provider.decisions.pods.cleanup import deletes
from airflow_ml_provider.decisions.pods.log_position import (
    LogPosition,
    lines_to_repeat,
    longest_rest_seconds,
    rest_seconds,
)
from airflow_ml_provider.decisions.pods.outage import Outage
from airflow_ml_provider.decisions.pods.pending import Patience, StartClock, read_pending
from airflow_ml_provider.decisions.pods.pod_news import PodNews
from airflow_ml_provider.decisions.pods.pod_outcome import read_pod_outcome
from airflow_ml_provider.decisions.pods.pod_state import PodState, describe
from airflow_ml_provider.decisions.pods.watch_position import WatchPosition
from airflow_ml_provider.protocol.result import StageFailure, StageResult
from airflow_ml_provider.protocol.termination import termination_message

OK = StageResult(status="success", attempt="1.1")
BAD = StageResult(status="failed", attempt="1.1", failure=StageFailure("bad_data", "BadDataError", "no rows"))
RUNS = PodState("u", "Running", scheduled=True, started_at="t")


def pod(status, **metadata):
    containers = [
        {"name": "sidecar"},
        {"name": "base", "resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "128Mi"}}},
    ]
    return {"metadata": {"uid": "u", **metadata}, "spec": {"nodeName": "n", "containers": containers}, "status": status}


def test_a_state_is_read_from_the_stages_container_alone():
    status = {
        "phase": "Running",
        "containerStatuses": [
            {"name": "sidecar", "state": {"running": {"startedAt": "t"}}},
            {
                "name": "base",
                "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": "t", "message": "m"}},
            },
        ],
    }
    state = PodState.of(pod(status), container="base")
    assert (state.exit_code, state.container_reason, state.termination_message) == (137, "OOMKilled", "m")
    assert (state.memory_request, state.memory_limit) == ("64Mi", "128Mi")
    assert state.ended
    assert state.started
    assert not PodState.of(pod(status), container="sidecar").ended


def test_a_failed_init_container_is_named():
    failed = {"name": "fetch", "state": {"terminated": {"exitCode": 2, "reason": "Error"}}}
    done = {"name": "other", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    state = PodState.of(pod({"phase": "Failed", "initContainerStatuses": [done, failed]}), container="base")
    assert state.init_failure == "init container 'fetch' failed (Error, exit code 2)"
    assert state.ended


def test_a_deleted_pod_that_nobody_confirms_is_lost_a_minute_after_its_grace_period():
    state = PodState.of(pod({"phase": "Running"}, deletionTimestamp="2026-11-24T12:00:00Z"), container="base")
    at = dt.datetime(2026, 11, 24, 12, 0, 59, tzinfo=dt.UTC)
    assert state.deleting
    assert not state.is_lost(at)
    assert state.is_lost(at + dt.timedelta(seconds=2))
    assert not RUNS.is_lost(at)


def test_a_pod_without_a_status_waits():
    state = PodState.of({"metadata": {"uid": "u"}}, container="base")
    assert (state.phase, state.ended, state.scheduled) == ("Unknown", False, False)
    assert describe(state) == "waits for a node"


@pytest.mark.parametrize(
    ("state", "result", "verdict", "says"),
    [
        (PodState("u", "Succeeded", exit_code=0, started_at="t"), OK, "success", ""),
        (PodState("u", "Succeeded", exit_code=0, started_at="t"), None, "no_result", "left no result"),
        (PodState("u", "Failed", exit_code=1, started_at="t"), OK, "no_result", "failed at its end"),
        (PodState("u", "Failed", exit_code=3, started_at="t"), BAD, "bad_data", "no rows [bad data, exit code 3]"),
        (None, OK, "success", ""),
        (None, None, "disrupted", "vanished"),
        (RUNS, OK, "success", ""),
        (RUNS, None, "disrupted", "was deleted while the stage ran"),
        (
            PodState("u", "Failed", exit_code=137, container_reason="OOMKilled", memory_limit="1Gi", started_at="t"),
            None,
            "out_of_memory",
            "(limit 1Gi, request none) [out of memory, exit code 137]; raise resources.memory",
        ),
        (
            PodState("u", "Failed", exit_code=137, disruption="EvictionByEvictionAPI", started_at="t"),
            None,
            "disrupted",
            "disrupted (EvictionByEvictionAPI)",
        ),
        (PodState("u", "Failed", pod_reason="Evicted", pod_message="disk"), None, "disrupted", "(Evicted): disk"),
        (PodState("u", "Failed", pod_reason="DeadlineExceeded"), None, "deadline", "longer than its deadline"),
        (
            PodState("u", "Failed", exit_code=143, delete_by="2026-11-24T12:00:00Z", started_at="t"),
            None,
            "disrupted",
            "was deleted",
        ),
        (PodState("u", "Failed", exit_code=137, started_at="t"), None, "no_result", "exit code 137"),
        (PodState("u", "Failed", pod_reason="OutOfcpu"), None, "disrupted", "(OutOfcpu)"),
        (PodState("u", "Failed", pod_reason="UnexpectedAdmissionError"), None, "disrupted", "UnexpectedAdmission"),
        (
            PodState("u", "Failed", init_failure="init container 'fetch' failed (Error, exit code 2)"),
            None,
            "init_container",
            "init container 'fetch' failed",
        ),
    ],
)
def test_an_end_is_judged_by_state_and_result(state, result, verdict, says):
    outcome = read_pod_outcome(state, result)
    assert outcome.verdict == verdict, outcome
    assert says in outcome.message


def waiting(reason, message=""):
    return PodState("u", "Pending", scheduled=True, container_reason=reason, container_message=message)


NO_NODE = PodState("u", "Pending", unschedulable="0/3 nodes are available: 3 Insufficient nvidia.com/gpu")


@pytest.mark.parametrize(
    ("state", "seconds", "verdict"),
    [
        (NO_NODE, 3600, None),
        (PodState("u", "Pending"), 3600, None),
        (waiting("ContainerCreating"), 100, None),
        (waiting("ContainerCreating"), 121, "startup"),
        (waiting("InvalidImageName", "couldn't parse"), 0, "image"),
        (waiting("ErrImagePull", "manifest unknown: manifest tagged by 1 is not found"), 0, "image"),
        (waiting("ErrImagePull", "toomanyrequests: You have reached your pull rate limit"), 60, None),
        (waiting("ImagePullBackOff", "429 Too Many Requests: not found"), 60, None),
        (waiting("ErrImagePull", "dial tcp: i/o timeout"), 60, None),
        (waiting("ErrImagePull", "dial tcp: i/o timeout"), 121, "image"),
        (waiting("CreateContainerConfigError", 'secret "s3" not found'), 5, None),
        (waiting("CreateContainerConfigError", 'secret "s3" not found'), 16, "configuration"),
        (RUNS, 9999, None),
    ],
)
def test_a_pod_that_does_not_start_is_waited_for_or_given_up(state, seconds, verdict):
    outcome = read_pending(state, seconds=seconds, patience=Patience(startup=120))
    assert (outcome and outcome.verdict) == verdict


def test_capacity_has_a_limit_of_its_own_and_says_what_the_scheduler_said():
    outcome = read_pending(NO_NODE, seconds=61, patience=Patience(startup=5, capacity=60))
    assert outcome.verdict == "capacity"
    assert "Insufficient nvidia.com/gpu" in outcome.message


def test_the_startup_clock_begins_when_the_pod_has_a_node():
    clock = StartClock(Patience(startup=10))
    assert clock.judge(NO_NODE, now=0) is None
    assert clock.judge(NO_NODE, now=500) is None
    assert clock.judge(waiting("ContainerCreating"), now=501) is None
    assert clock.judge(waiting("ContainerCreating"), now=510) is None
    assert clock.judge(waiting("ContainerCreating"), now=512).verdict == "startup"


@pytest.mark.parametrize(
    ("verdict", "spent", "memory", "expected"),
    [
        ("disrupted", Spent(), 0, Spent(disruptions=1)),
        ("disrupted", Spent(disruptions=2, memory=5), 0, Spent(disruptions=3, memory=5)),
        ("disrupted", Spent(disruptions=3), 0, None),
        ("out_of_memory", Spent(), 100, Spent(memory=200)),
        ("out_of_memory", Spent(memory=200), 200, Spent(memory=300)),
        ("out_of_memory", Spent(memory=300), 300, None),
        ("out_of_memory", Spent(), 0, None),
        ("user_code", Spent(), 100, None),
        ("success", Spent(), 100, None),
    ],
)
def test_another_pod_follows_within_limits(verdict, spent, memory, expected):
    found = another_pod(StageOutcome(verdict), spent, max_disruptions=3, memory=memory, max_memory=300)
    assert found == expected


def test_without_a_ceiling_memory_is_never_raised():
    outcome = StageOutcome("out_of_memory")
    assert another_pod(outcome, Spent(), max_disruptions=3, memory=100, max_memory=0) is None


@pytest.mark.parametrize(
    ("action", "succeeded", "ended", "expected"),
    [
        ("delete_pod", True, True, True),
        ("delete_pod", False, True, True),
        ("delete_succeeded_pod", True, True, True),
        ("delete_succeeded_pod", False, True, False),
        ("keep_pod", True, True, False),
        ("keep_pod", False, False, True),
        ("delete_active_pod", False, True, False),
        ("delete_active_pod", False, False, True),
    ],
)
def test_a_pod_that_runs_is_never_left_behind(action, succeeded, ended, expected):
    assert deletes(action, succeeded=succeeded, ended=ended) is expected


def test_lines_that_come_again_after_a_broken_connection_are_reported_once():
    position = LogPosition()
    assert position.since() is None
    first = ["2026-11-24T12:00:01.000000001Z", "2026-11-24T12:00:02.500000000Z", "2026-11-24T12:00:02.500000000Z"]
    assert [position.take(stamp) for stamp in first] == [True, True, True]
    assert position.since() == "2026-11-24T12:00:02+00:00"
    again = [*first, "2026-11-24T12:00:02.500000000Z", "2026-11-24T12:00:03.000000000Z"]
    assert [position.take(stamp) for stamp in again] == [False, False, False, True, True]


def test_a_nodes_own_time_zone_is_read():
    position = LogPosition()
    position.take("2026-11-24T13:00:02.500000000+01:00")
    assert position.since() == "2026-11-24T13:00:02+01:00"


def test_a_line_of_the_kubelet_without_a_time_is_reported_and_changes_nothing():
    position = LogPosition()
    assert position.new_text("2026-11-24T12:00:01.000000001Z loss 0.5") == "loss 0.5"
    assert position.new_text("failed to create fsnotify watcher: too many open files") is not None
    assert position.new_text("2026-11-24T12:00:02.000000001Z loss 0.4") == "loss 0.4"
    assert position.since() == "2026-11-24T12:00:02+00:00"


def test_each_change_and_each_event_of_a_pod_is_reported_once():
    news = PodNews("ml/p", events_every=5, now=0)
    waits = PodState("u", "Pending")
    assert [news.change(waits), news.change(waits), news.change(RUNS)] == [
        "Pod ml/p waits for a node",
        "",
        "Pod ml/p runs",
    ]
    pulled = {"type": "Normal", "reason": "Pulled", "message": "ok"}
    failed = {"type": "Warning", "reason": "Failed", "message": "no"}
    assert news.events([pulled]) == [(logging.INFO, "Event Pulled: ok")]
    assert news.events([pulled, failed]) == [(logging.WARNING, "Event Failed: no")]


def test_events_are_read_now_and_then_while_a_pod_does_not_start():
    news = PodNews("ml/p", events_every=5, now=0)
    waits = PodState("u", "Pending")
    assert [news.wants_events(waits, now=now) for now in (4, 5, 6, 9, 10)] == [False, True, False, False, True]
    assert not news.wants_events(RUNS, now=100)


def test_an_outage_is_tolerated_for_minutes_and_a_refusal_for_one():
    outage = Outage()
    assert not outage.is_too_long(refused=True, now=0)
    assert [outage.begins(now=0), outage.begins(now=50)] == [True, False]
    assert [outage.is_too_long(refused=True, now=now) for now in (60, 61)] == [False, True]
    assert [outage.is_too_long(refused=False, now=now) for now in (900, 901)] == [False, True]
    outage.over()
    assert outage.begins(now=1000)
    assert not outage.is_too_long(refused=False, now=1001)


@pytest.mark.parametrize(
    ("started_at", "lines"),
    [("", None), ("2026-11-24T11:59:30Z", None), ("2026-11-24T11:58:00Z", 1000), ("2026-11-24T12:58:00+01:00", 1000)],
)
def test_a_log_that_another_followed_before_is_reported_again_within_bounds(started_at, lines):
    assert lines_to_repeat(started_at, dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)) == lines


def test_the_rest_of_a_log_is_awaited_longer_when_its_container_ended():
    ended = PodState("u", "Running", exit_code=0)
    assert (rest_seconds(ended), longest_rest_seconds(ended)) == (10, 120)
    assert longest_rest_seconds(PodState("u", "Running")) == rest_seconds(PodState("u", "Running"))
    assert rest_seconds(PodState("u", "Running", delete_by="2026-11-24T12:00:00Z")) == rest_seconds(None) == 2


@pytest.mark.parametrize("step", ["", "main"])
def test_what_a_program_left_as_its_termination_message_stands_in_the_error(step):
    ended = PodState("u", "Failed", exit_code=3, step=step, termination_message="disk\n  quota used up " + "x" * 600)
    message = read_pod_outcome(ended, None).message
    assert message.endswith("; its termination message: disk quota used up " + "x" * (500 - len("disk quota used up ")))
    told = replace(ended, termination_message=termination_message(OK))
    assert "termination message" not in read_pod_outcome(told, None).message
    elsewhere = replace(ended, termination_message='{"result_digest": "sha256:1"}')
    assert "termination message" not in read_pod_outcome(elsewhere, None).message


def test_a_watch_goes_on_where_it_was_unless_it_was_silent_expired_or_failed():
    position = WatchPosition()
    assert position.version is None
    position.begin("7")
    position.see("9")
    position.end()
    assert position.version == "9"
    position.begin("9")
    position.end()
    assert position.version is None, "it ended without a sign of life: a list is next"
    position.begin("12")
    position.expire()
    assert position.version is None
    position.begin("13")
    assert position.fail(refused=False, now=0) == (True, False)
    assert position.version is None
    assert position.fail(refused=False, now=1000) == (False, True)
    position.begin("14")
    assert position.fail(refused=False, now=2000) == (True, False), "an answer ended the outage"
