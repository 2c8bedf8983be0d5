"""The shared watch against what an API server may send; the live one is in tests/cluster."""

import asyncio

import pytest

from airflow_ml_provider.errors import ClusterError, ClusterUnavailableError
from airflow_ml_provider.hooks.cluster_errors import ExpiredError, LoginRefusedError
from airflow_ml_provider.testing.clock import FakeClock
from airflow_ml_provider.triggers.namespace_watch import Follower, NamespaceWatch


def pod(name, version="1", **status):
    return {
        "metadata": {"name": name, "uid": f"u-{name}", "resourceVersion": version},
        "status": {"phase": "Running", **status},
    }


ENDED = {"containerStatuses": [{"name": "base", "state": {"terminated": {"exitCode": 0}}}]}


class Pods:
    """Answers lists and watches in turn; a watch that has nothing more to say stays open."""

    namespace = "ml"

    def __init__(self, *, lists, watches, reads=()):
        self._lists, self._watches, self._reads = list(lists), list(watches), list(reads)
        self.versions = []

    async def read(self, name):
        return self._next(self._reads)

    async def pages(self, *, selector):
        for page in self._next(self._lists):
            yield page, "7"

    async def watch(self, *, selector, resource_version):
        self.versions.append(resource_version)
        if not self._watches:
            await asyncio.Event().wait()
        for event in self._next(self._watches):
            if isinstance(event, Exception):
                raise event
            yield event

    @staticmethod
    def _next(answers):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def followed(pods, name="p", seconds=5.0):
    """Follow a pod until it ended, is gone or cannot be followed; returns the follower and what run() returned."""

    async def follow():
        watch, follower = NamespaceWatch(pods), Follower(name, "base")
        running = asyncio.create_task(watch.run())
        await watch.add(follower)
        async with asyncio.timeout(seconds):
            while not (follower.gone or follower.failure or (follower.state and follower.state.ended)):
                if running.done():
                    break
                await follower.change(0.05)
        if running.done():
            return follower, running.result()
        running.cancel()
        return follower, None

    return asyncio.run(follow())


def test_the_state_now_is_read_and_changes_come_by_the_watch():
    events = [("MODIFIED", pod("other", "8")), ("MODIFIED", pod("p", "9", **ENDED))]
    pods = Pods(lists=[[[pod("p")]]], watches=[events], reads=[pod("p")])
    follower, _ = followed(pods)
    assert follower.state.exit_code == 0
    assert not follower.gone


def test_a_watch_that_ended_in_order_is_resumed_where_it_was():
    events = [("MODIFIED", pod("p", "8")), ("BOOKMARK", pod("p", "12"))]
    pods = Pods(lists=[[[pod("p")]]], watches=[events, [("DELETED", pod("p", "13"))]], reads=[pod("p")])
    follower, _ = followed(pods)
    assert follower.gone
    assert pods.versions[:2] == ["7", "12"]


@pytest.mark.parametrize("broken", [ExpiredError("old"), ClusterUnavailableError("reset")])
def test_after_a_watch_that_broke_a_list_reports_what_was_missed(broken):
    pods = Pods(lists=[[[pod("p")]], [[pod("q")], [pod("p", **ENDED)]]], watches=[[broken]], reads=[pod("p")])
    follower, _ = followed(pods)
    assert follower.state.exit_code == 0


def test_a_pod_that_a_list_does_not_hold_is_gone():
    pods = Pods(lists=[[[pod("p")]], [[]]], watches=[[ExpiredError("old")]], reads=[pod("p")])
    follower, _ = followed(pods)
    assert follower.gone


def test_a_token_that_expired_asks_for_a_fresh_client():
    pods = Pods(lists=[LoginRefusedError("401")], watches=[], reads=[pod("p")])
    follower, again = followed(pods)
    assert again is True
    assert follower.failure is None


def test_what_the_cluster_refuses_for_good_reaches_the_followers():
    pods = Pods(lists=[ClusterError("bad selector")], watches=[], reads=[pod("p")])
    follower, again = followed(pods)
    assert again in (False, None)
    assert "bad selector" in str(follower.failure)


def test_the_first_read_tolerates_an_outage():
    async def add():
        watch, follower = NamespaceWatch(pods), Follower("p", "base")
        await watch.add(follower)
        return follower

    pods = Pods(lists=[], watches=[], reads=[ClusterUnavailableError("away"), pod("p", **ENDED)])
    assert asyncio.run(add()).state.ended


def test_a_login_that_is_refused_for_a_minute_ends_the_watch(monkeypatch):
    class Patient(Pods):
        async def pages(self, *, selector):
            clock.advance(50)
            raise LoginRefusedError("401")
            yield

    async def until_it_ends():
        watch, follower = NamespaceWatch(Patient(lists=[], watches=[], reads=[pod("p")])), Follower("p", "base")
        await watch.add(follower)
        while await watch.run():
            pass
        return follower

    clock = FakeClock()
    monkeypatch.setattr("airflow_ml_provider.triggers.namespace_watch.time", clock)
    monkeypatch.setattr("airflow_ml_provider.triggers.namespace_watch.random.uniform", lambda *_: 0)
    assert isinstance(asyncio.run(until_it_ends()).failure, LoginRefusedError)
    assert clock.monotonic() == 150
