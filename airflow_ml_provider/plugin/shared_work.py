"""Work that several callers ask for: done once, kept for a short time, bounded, ended with the last who waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class BusyError(Exception):
    """As much work goes on and waits as may."""


@dataclass
class _Going(Generic[T]):
    task: asyncio.Task[T]
    callers: int = 0


class SharedWork(Generic[T]):
    """Results by key.

    Args:
        at_once: How many pieces of work go on at once.
        waiting: How many more may wait.
        seconds: For how long a result is kept.
        kept: How many results are kept.
    """

    def __init__(self, *, at_once: int, waiting: int, seconds: float, kept: int) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._seconds = seconds
        self._most_kept = kept
        self._kept: dict[Hashable, tuple[float, T]] = {}
        self._going: dict[Hashable, _Going[T]] = {}

    async def result(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return what the work gives; the work is cancelled when all who wait for it are.

        Args:
            key: What the work is about.
            work: Does it.

        Raises:
            BusyError: Too much work goes on already.
        """
        until, value = self._kept.get(key, (0.0, None))
        if value is not None and time.monotonic() < until:
            return value
        going = self._going.get(key)
        if going is None:
            if len(self._going) >= self._most:
                raise BusyError
            going = self._going[key] = _Going(asyncio.create_task(self._done(key, work)))
            going.task.add_done_callback(lambda _: self._forget(key, going))
        going.callers += 1
        try:
            return await asyncio.shield(going.task)
        finally:
            going.callers -= 1
            if not going.callers and not going.task.done():
                self._forget(key, going)
                going.task.cancel()

    async def _done(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        async with self._slots:
            value = await work()
        self._kept.pop(key, None)
        while len(self._kept) >= self._most_kept:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = (time.monotonic() + self._seconds, value)
        return value

    def _forget(self, key: Hashable, going: _Going[T] | None) -> None:
        if self._going.get(key) is going:
            del self._going[key]
