"""Work that several callers ask for is done once, bounded, and ended with them."""

import asyncio

import pytest

from airflow_ml_provider.plugin.shared_work import BusyError, SharedWork


class Work:
    """Work that goes on until it is let go."""

    def __init__(self):
        self.begun, self.cancelled, self.go = 0, 0, asyncio.Event()

    async def __call__(self):
        self.begun += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return f"result {self.begun}"


async def settled():
    for _ in range(10):
        await asyncio.sleep(0)


def made(**given):
    return SharedWork(**{"at_once": 2, "waiting": 2, "seconds": 60.0, "kept": 2, **given})


def test_callers_share_what_goes_on_and_what_is_kept():
    async def run():
        shared, work = made(), Work()
        asked = [asyncio.create_task(shared.result("a", work)) for _ in range(24)]
        await settled()
        work.go.set()
        assert set(await asyncio.gather(*asked)) == {"result 1"}
        assert await shared.result("a", work) == "result 1"
        assert await shared.result("b", work) == "result 2"

    asyncio.run(run())


def test_a_result_is_kept_for_a_while_and_not_for_ever():
    async def run():
        shared, work = made(seconds=0.0), Work()
        work.go.set()
        assert await shared.result("a", work) == "result 1"
        assert await shared.result("a", work) == "result 2"
        many = made()
        for key in "abc":
            await many.result(key, work)
        assert len(many._kept) == 2
        assert not many._going

    asyncio.run(run())


def test_more_than_may_wait_is_refused_at_once():
    async def run():
        shared, work = made(), Work()
        asked = [asyncio.create_task(shared.result(key, work)) for key in "abcd"]
        await settled()
        assert work.begun == 2
        with pytest.raises(BusyError):
            await shared.result("e", work)
        joined = asyncio.create_task(shared.result("a", work))
        await settled()
        work.go.set()
        await asyncio.gather(*asked, joined)
        assert await shared.result("e", work) == "result 5"

    asyncio.run(run())


def test_work_ends_with_the_last_who_waits():
    async def run():
        shared, work = made(at_once=1), Work()
        first, second = (asyncio.create_task(shared.result("a", work)) for _ in range(2))
        await settled()
        first.cancel()
        await settled()
        assert work.cancelled == 0
        second.cancel()
        await settled()
        assert work.cancelled == 1
        work.go.set()
        assert await shared.result("a", work) == "result 2"

    asyncio.run(run())


def test_a_failure_reaches_all_who_wait_and_is_not_kept():
    async def run():
        shared, tries = made(), []

        async def fail():
            tries.append(1)
            raise ValueError("no")

        asked = [asyncio.create_task(shared.result("a", fail)) for _ in range(3)]
        assert [type(found) for found in await asyncio.gather(*asked, return_exceptions=True)] == [ValueError] * 3
        with pytest.raises(ValueError, match="no"):
            await shared.result("a", fail)
        assert len(tries) == 2

    asyncio.run(run())
