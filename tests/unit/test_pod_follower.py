"""A pod is followed to the end of its stage, or for a while; what a triggerer takes over is plain."""

import asyncio
import json
import logging
import threading
import time
import types

import pytest

from airflow_ml_provider.decisions.pods.hand_over import HandOver
from airflow_ml_provider.decisions.pods.log_position import LogMark
from airflow_ml_provider.decisions.pods.pending import Patience, StartClock, Waited
from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.errors import StageKilledError
from airflow_ml_provider.runners.pod_follower import PodFollower
from airflow_ml_provider.triggers import stage_pod
from airflow_ml_provider.triggers.stage_pod import StagePodTrigger

ACCESS = dict.fromkeys(("conn_id", "in_cluster", "config_file", "cluster_context"))
GIVEN = {"namespace": "ml", "pod_name": "p", "container": "base", "log_container": "base", "access": ACCESS}


def pod(version, **state):
    return {
        "metadata": {"uid": "u", "name": "p", "resourceVersion": version},
        "spec": {"containers": [{"name": "base"}], "nodeName": "n"},
        "status": {"phase": "Running", "containerStatuses": [{"name": "base", "state": state}]},
    }


RUNS = pod("1", running={"startedAt": "2026-11-29T12:00:00Z"})
ENDED = pod("2", terminated={"exitCode": 0, "startedAt": "2026-11-29T12:00:00Z"})


class Pods:
    """A namespace whose pod changes as it is told."""

    namespace = "ml"

    def __init__(self, *changes):
        self.changes = changes
        self.over = threading.Event()

    def list_one(self, name):
        return RUNS, "1"

    def watch_one(self, name, version):
        yield from (("MODIFIED", change) for change in self.changes)
        self.over.wait(30)

    def may_pass(self, error):
        return False


@pytest.fixture
def follow():
    followed = []

    def run(pods, *, seconds=None, see=lambda pod, state: None, before=lambda follower: None):
        followed.append(pods)
        follower = PodFollower(container="base", patience=Patience(), warn=print)
        before(follower)
        return follower, follower.follow(pods, "p", see=see, seconds=seconds)

    yield run
    for pods in followed:
        pods.over.set()


def test_the_end_of_the_stage_is_seen(follow):
    _, seen = follow(Pods(ENDED))
    assert (seen.outcome, seen.state.exit_code) == (None, 0)


def test_a_stage_that_still_runs_is_left_in_time_with_how_long_it_has_been_so(follow):
    started = time.monotonic()
    follower, seen = follow(Pods(), seconds=1.5)
    assert seen is None
    assert 1.5 <= time.monotonic() - started < 4
    assert follower.waited.scheduled
    assert follower.waited.seconds >= 1.0


def test_an_end_that_came_before_the_stop_counts(follow):
    pods = Pods(ENDED)

    def stopped_while_it_is_seen(found, state):
        if not state.ended:
            time.sleep(0.3)
            follower.stop()

    follower = PodFollower(container="base", patience=Patience(), warn=print)
    seen = follower.follow(pods, "p", see=stopped_while_it_is_seen, seconds=None)
    pods.over.set()
    assert seen.state.exit_code == 0


def test_a_stop_before_or_while_a_pod_is_followed_ends_it(follow):
    with pytest.raises(StageKilledError):
        follow(Pods(), before=lambda follower: follower.stop())
    follower = PodFollower(container="base", patience=Patience(), warn=print)
    pods = Pods()
    threading.Timer(0.3, follower.stop).start()
    with pytest.raises(StageKilledError):
        follower.follow(pods, "p", see=lambda pod, state: None, seconds=None)
    pods.over.set()


def test_a_clock_goes_on_from_what_another_process_measured():
    waits = PodState("u", "Pending", scheduled=True)
    first = StartClock(Patience(startup=20))
    assert first.judge(waits, now=100.0) is None
    waited = first.waited(now=115.0)
    assert waited == Waited(scheduled=True, seconds=15.0)
    second = StartClock(Patience(startup=20), waited=waited, now=1000.0)
    assert second.judge(waits, now=1004.0) is None
    assert second.judge(waits, now=1006.0).verdict == "startup"


def test_what_a_triggerer_takes_over_survives_airflows_database():
    log, waited = LogMark("2026-11-29T12:00:02.5Z", 2), Waited(True, "main", 3.0)
    known = HandOver.of(at=1000.0, log=log, waited=waited, tail=["loss 0.5", "x" * 1000])
    assert len(known.tail[1]) == 300
    trigger = StagePodTrigger(**GIVEN, hand_over=known.to_plain())
    _, kept = trigger.serialize()
    assert StagePodTrigger(**json.loads(json.dumps(kept)))._known == known
    assert StagePodTrigger(**GIVEN)._known is None
    assert (known.is_fresh(1059.0), known.is_fresh(1061.0)) == (True, False)


class AsyncPods:
    """A namespace whose log is what is given, of which a request gets what it asks for."""

    def __init__(self, *lines, first=()):
        self.lines, self.first, self.asked = lines, list(first), []
        self.streams = types.SimpleNamespace(locked=lambda: False)

    async def log(self, name, *, container, since, tail_lines, follow, lines):
        self.asked.append((since, tail_lines))
        if self.first:
            yield self.first.pop()
            return
        self.over()
        known = [line for line in self.lines if since is None or line[:19] >= since[:19]]
        for line in known if tail_lines is None else known[-tail_lines:]:
            yield line


def told_by_a_triggerer(pods, hand_over, caplog, monkeypatch, *, repeated=2):
    monkeypatch.setattr(stage_pod, "lines_to_repeat", lambda started_at, now: repeated)
    trigger = StagePodTrigger(**GIVEN, hand_over=hand_over.to_plain())
    trigger._log = logging.getLogger("told")
    state = PodState("u", "Running", scheduled=True, started_at="2026-11-29T12:00:00Z", working=True)

    async def read():
        pods.over = trigger._ended.set
        await trigger._start_reading(pods, state)

    with caplog.at_level(logging.INFO):
        asyncio.run(read())
    return [record.getMessage() for record in caplog.records], list(trigger._read_so_far.tail)


LOG = [f"2026-11-29T12:00:{second:02}.5Z line {second}" for second in range(10)]
MARK = LogMark("2026-11-29T12:00:03.5Z", 1)


def test_the_first_triggerer_reads_on_where_the_task_was(caplog, monkeypatch):
    known = HandOver.of(at=time.time(), log=MARK, waited=Waited(), tail=["line 2", "line 3"])
    told, tail = told_by_a_triggerer(AsyncPods(*LOG), known, caplog, monkeypatch)
    assert told == [f"line {second}" for second in range(4, 10)]
    assert tail == [f"line {second}" for second in range(2, 10)]


def test_a_later_triggerer_reports_the_last_lines_again_and_speaks_of_no_loss(caplog, monkeypatch):
    known = HandOver.of(at=time.time() - 3600, log=MARK, waited=Waited(), tail=["line 3"])
    # What the kubelet says of itself has no time, and lifts no bound.
    pods = AsyncPods(*LOG, first=["failed to create fsnotify watcher: too many open files"])
    told, _ = told_by_a_triggerer(pods, known, caplog, monkeypatch)
    assert [line for line in told if line.startswith("line")] == ["line 8", "line 9"]
    assert not any("missing" in line for line in told)
    assert pods.asked[:2] == [("2026-11-29T12:00:03+00:00", 2)] * 2


def test_a_stage_that_had_logged_nothing_is_read_from_its_start(caplog, monkeypatch):
    known = HandOver.of(at=time.time(), log=LogMark(), waited=Waited(), tail=[])
    told, _ = told_by_a_triggerer(AsyncPods(*LOG), known, caplog, monkeypatch)
    assert told == [f"line {second}" for second in range(10)]
