"""One watch a namespace, shared by all triggers of a triggerer that follow a pod in it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from airflow.configuration import conf
from airflow.providers.cncf.kubernetes.hooks.kubernetes import AsyncKubernetesHook

from airflow_ml_provider.decisions.pods.pod_state import PodState
from airflow_ml_provider.decisions.pods.watch_position import PAUSE_SECONDS, WatchPosition
from airflow_ml_provider.errors import ClusterError, ClusterForbiddenError, ClusterUnavailableError
from airflow_ml_provider.hooks.async_pods import AsyncPods
from airflow_ml_provider.hooks.cluster_errors import ExpiredError, LoginRefusedError

log = logging.getLogger(__name__)

READS_AT_ONCE = 8
"""A triggerer that starts takes up all its triggers at once; their first reads do not all need a connection."""

RETRY_SECONDS = 1.0

SELECTOR = {"label_selector": "airflow-ml/kind"}


@dataclass(frozen=True)
class ClusterAccess:
    """How a triggerer reaches a cluster: what KubernetesPodOperator's arguments say."""

    conn_id: str | None
    in_cluster: bool | None
    config_file: str | None
    cluster_context: str | None

    async def hook(self) -> AsyncKubernetesHook:
        """Return the asynchronous hook; nothing is connected yet."""
        # The hook does not read the file itself; KubernetesPodOperator would put its content into the database.
        content = await asyncio.to_thread(Path(self.config_file).read_text) if self.config_file else None
        return AsyncKubernetesHook(
            config_dict=None if content is None else yaml.safe_load(content),
            conn_id=self.conn_id,
            in_cluster=self.in_cluster,
            cluster_context=self.cluster_context,
        )


def log_streams() -> int:
    """Return how many logs a triggerer follows at once in a namespace: ``[ml] log_streams``, 50 by default.

    The client has 100 connections, and the watch and every other request need some of them.
    """
    return max(1, min(conf.getint("ml", "log_streams", fallback=50), 90))


@dataclass(eq=False)
class Follower:
    """What one trigger learns of its pod.

    Attributes:
        name: The pod.
        container: The container that runs the stage.
        state: The last state that was seen, ``None`` before the first.
        gone: Whether the pod is there no more.
        failure: Why it cannot be followed any more, ``None`` while it can.
    """

    name: str
    container: str
    state: PodState | None = None
    gone: bool = False
    failure: ClusterError | ClusterForbiddenError | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def see(self, pod: dict[str, Any]) -> None:
        """Take a newer state."""
        state = PodState.of(pod, container=self.container)
        if state != self.state:
            self.state = state
            self._changed.set()

    def lose(self) -> None:
        """Take that the pod is gone."""
        self.gone = True
        self._changed.set()

    def fail(self, error: ClusterError | ClusterForbiddenError) -> None:
        """Take that the pod cannot be followed."""
        self.failure = error
        self._changed.set()

    async def change(self, seconds: float) -> None:
        """Wait for news, not longer than so many seconds."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return
        self._changed.clear()


class NamespaceWatch:
    """Lists and watches the stages' pods of a namespace, and keeps the states of those that are followed.

    Args:
        pods: The namespace.

    Attributes:
        failed: Whether it ended; who follows a pod from now on needs another.
    """

    def __init__(self, pods: AsyncPods) -> None:
        self.pods = pods
        self.failed = False
        self._position = WatchPosition()
        self._followers: dict[str, set[Follower]] = {}
        self._reading = asyncio.Semaphore(READS_AT_ONCE)

    async def add(self, follower: Follower) -> None:
        """Follow a pod from now on; its state now is read apart, since the watch reports changes only."""
        self._followers.setdefault(follower.name, set()).add(follower)
        while follower.state is None and not follower.gone and follower.failure is None:
            try:
                async with self._reading:
                    pod = await self.pods.read(follower.name)
            except (ClusterUnavailableError, ClusterForbiddenError):
                # The watch bears with the same outage, and ends it for all followers when it takes too long.
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if follower.state is None and not follower.gone:
                if pod is None:
                    follower.lose()
                else:
                    follower.see(pod)

    def remove(self, follower: Follower) -> None:
        """Follow a pod no more."""
        found = self._followers.get(follower.name, set())
        found.discard(follower)
        if not found:
            self._followers.pop(follower.name, None)

    async def run(self) -> bool:
        """Watch until cancelled, or until the cluster refuses or was away for 15 minutes.

        Returns whether to go on with a client whose login is fresh: tokens of cloud clusters live for minutes.
        """
        while True:
            try:
                version = self._position.version or await self._list()
                self._position.begin(version)
                await self._watch(version)
                self._position.end()
            except ExpiredError:
                self._position.expire()
            except (ClusterUnavailableError, ClusterForbiddenError) as error:
                failure = self._position.fail(refused=isinstance(error, ClusterForbiddenError), now=time.monotonic())
                if failure.first:
                    log.warning("Lost sight of the pods of %s, which run on: %s", self.pods.namespace, error)
                # A worker created the pod with these rights just now: a refusal may be a server that has just started.
                if failure.too_long:
                    self._fail(error)
                    return False
                await asyncio.sleep(random.uniform(*PAUSE_SECONDS))  # noqa: S311
                if isinstance(error, LoginRefusedError):
                    return True
            except ClusterError as error:
                self._fail(error)
                return False

    async def _list(self) -> str:
        wanted = set(self._followers)
        version = ""
        async with aclosing(self.pods.pages(selector=SELECTOR)) as pages:
            async for items, listed in pages:
                version = listed
                for pod in items:
                    self._see(pod)
                    await asyncio.sleep(0)
                    wanted.discard(pod["metadata"]["name"])
        for name in wanted:
            for follower in self._followers.get(name, ()):
                follower.lose()
        return version

    async def _watch(self, version: str) -> None:
        async with aclosing(self.pods.watch(selector=SELECTOR, resource_version=version)) as events:
            async for kind, pod in events:
                self._position.see(pod["metadata"]["resourceVersion"])
                # Many events that came together are not reason to keep everybody else waiting.
                await asyncio.sleep(0)
                if kind == "DELETED":
                    for follower in self._followers.get(pod["metadata"]["name"], ()):
                        follower.see(pod)
                        follower.lose()
                elif kind != "BOOKMARK":
                    self._see(pod)

    def _see(self, pod: dict[str, Any]) -> None:
        for follower in self._followers.get(pod["metadata"]["name"], ()):
            follower.see(pod)

    def end(self) -> None:
        """Tell everybody who still follows a pod that the watch is over, whatever ended it."""
        self._fail(ClusterUnavailableError(f"the watch of {self.pods.namespace} ended"))

    def _fail(self, error: ClusterError | ClusterForbiddenError) -> None:
        self.failed = True
        for followers in self._followers.values():
            for follower in followers:
                if follower.failure is None:
                    follower.fail(error)


@dataclass
class _Shared:
    watch: NamespaceWatch
    task: asyncio.Task[None]
    users: int = 0


_WATCHES: dict[tuple[ClusterAccess, str, int], _Shared] = {}
_LOCKS: dict[int, asyncio.Lock] = {}


@asynccontextmanager
async def followed(access: ClusterAccess, *, namespace: str, follower: Follower) -> AsyncIterator[AsyncPods]:
    """Follow a pod within the block; the first follower of a namespace starts its watch, the last one ends it.

    Args:
        access: The cluster.
        namespace: The pod's namespace.
        follower: Told of every change.
    """
    loop = id(asyncio.get_running_loop())
    key = (access, namespace, loop)
    async with _LOCKS.setdefault(loop, asyncio.Lock()):
        shared = _WATCHES.get(key)
        if shared is None or shared.watch.failed:
            shared = await _start(access, namespace)
            _WATCHES[key] = shared
        shared.users += 1
    try:
        await shared.watch.add(follower)
        yield shared.watch.pods
    finally:
        shared.watch.remove(follower)
        shared.users -= 1
        if shared.users == 0:
            if _WATCHES.get(key) is shared:
                del _WATCHES[key]
            shared.task.cancel()


async def _start(access: ClusterAccess, namespace: str) -> _Shared:
    started: asyncio.Future[_Shared] = asyncio.get_running_loop().create_future()

    async def connected() -> None:
        watch: NamespaceWatch | None = None
        again = True
        while again:
            hook = await access.hook()
            async with hook.get_conn() as client:
                if watch is None:
                    watch = NamespaceWatch(AsyncPods(client, namespace=namespace, log_streams=log_streams()))
                    task = asyncio.current_task()
                    assert task is not None
                    started.set_result(_Shared(watch, task))
                watch.pods.use(client)
                again = await _watched(watch)

    task = asyncio.create_task(connected(), name=f"watch of {namespace}")
    waited: set[asyncio.Future[Any]] = {task, started}
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    if not started.done():
        task.result()
    return started.result()


async def _watched(watch: NamespaceWatch) -> bool:
    """Run a watch; returns whether it wants a fresh client, and otherwise never."""
    again = False
    try:
        again = await watch.run()
    finally:
        if not again:
            watch.end()
    if not again:
        # Followers end in their own time, and some still read a log: the last one closes the client.
        await asyncio.Event().wait()
    return again
