"""Steady requests to an endpoint, and what became of each."""

import asyncio
import threading
from collections import Counter
from datetime import UTC, datetime

import httpx


class Traffic:
    """Sends requests at a rate until the block ends, from clients that keep a connection and ones that do not.

    Attributes:
        answers: How many came by what they said: an answer's predictions as text, or what went wrong.
    """

    def __init__(self, url, *, body, rate=50):
        self.answers = Counter()
        self._url = url
        self._body = body
        self._pause = 1 / rate
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(30)

    @property
    def lost(self):
        """What was not answered with 200."""
        return {said: count for said, count in self.answers.items() if not said.startswith("[")}

    async def _run(self):
        loop, begun, sent, waiting = asyncio.get_running_loop(), asyncio.get_running_loop().time(), 0, set()
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(timeout=20) as keeping, httpx.AsyncClient(timeout=20, limits=limits) as fresh:
            while not self._over.is_set():
                task = asyncio.create_task(self._one((keeping, fresh)[sent % 2]))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
                sent += 1
                await asyncio.sleep(max(0, begun + sent * self._pause - loop.time()))
            await asyncio.gather(*waiting)

    async def _one(self, client):
        try:
            answer = await client.post(f"{self._url}/invocations", json=self._body)
        except httpx.HTTPError as error:
            self.answers[f"{type(error).__name__}: {_cause(error)!r}"] += 1
            print(f"{datetime.now(tz=UTC):%T.%f} lost: {_cause(error)!r}")
            return
        said = str(answer.json()["predictions"]) if answer.status_code == 200 else f"{answer.status_code}"
        self.answers[said] += 1


def answers(url):
    """Whether an endpoint answers; a node knows of a new Service a moment after Kubernetes does."""
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _cause(error):
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return error
