"""The fake clock keeps the contract of the real one."""

import time

import pytest

from airflow_ml_provider.testing.clock import FakeClock


@pytest.fixture(params=[time, FakeClock()], ids=["time", "FakeClock"])
def clock(request):
    return request.param


def test_sleeping_moves_both_clocks_on(clock):
    wall, before = clock.time(), clock.monotonic()
    clock.sleep(0.02)
    assert clock.monotonic() - before >= 0.02
    assert clock.time() - wall >= 0.019


def test_nobody_sleeps_less_than_no_time(clock):
    with pytest.raises(ValueError, match="non-negative"):
        clock.sleep(-1)


def test_the_fake_one_stands_still_and_remembers():
    clock = FakeClock(now=100.0)
    assert clock.time() == clock.time() == 100.0
    clock.sleep(5)
    clock.advance(60)
    assert (clock.time(), clock.monotonic(), clock.slept) == (165.0, 65.0, [5])
