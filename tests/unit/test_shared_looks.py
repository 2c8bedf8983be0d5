"""Triggers that look at the same files share a listing, under Airflow's own manager of shared streams."""

import asyncio
import logging

import pytest
from airflow.triggers.shared_stream import SharedStreamManager

from airflow_ml_provider.artifacts.claims import SourceClaims
from airflow_ml_provider.artifacts.errors import StoreUnavailableError
from airflow_ml_provider.artifacts.objects import write_object
from airflow_ml_provider.artifacts.source_files import objects
from airflow_ml_provider.decisions.data.settling import Marked, Quiet
from airflow_ml_provider.sources import watched_source
from airflow_ml_provider.sources.origins import Files, ModelVersions
from airflow_ml_provider.sources.watched_source import WatchedSource
from airflow_ml_provider.triggers import shared_looks
from airflow_ml_provider.triggers.new_data import NewDataTrigger


@pytest.fixture
def counted(monkeypatch):
    """How often files were listed."""
    calls = []

    def listed(*arguments, **options):
        calls.append(arguments)
        return objects(*arguments, **options)

    monkeypatch.setattr(watched_source, "objects", listed)
    return calls


def trigger(tmp_path, pipeline, *, settling=None, store=None):
    source = WatchedSource(
        store or f"file://{tmp_path}/store", pipeline, "s", Files(f"{tmp_path}/raw/*.csv"), settling or Quiet(0.0)
    )
    return NewDataTrigger(source=source.to_plain(), poll=0.2)


async def first_events(*triggers, seconds=10):
    """Let triggers watch until each fired, or the time is over; returns the first event of each."""
    manager = SharedStreamManager(log=logging.getLogger("test"))
    fired = {}

    async def one(number, watching):
        key = watching.shared_stream_key()
        async for event in watching.filter_shared_stream(
            manager.subscribe(trigger_id=number, trigger=watching, key=key)
        ):
            fired.setdefault(number, event.payload)

    tasks = [asyncio.create_task(one(*each)) for each in enumerate(triggers)]
    try:
        async with asyncio.timeout(seconds):
            while len(fired) < len(triggers):
                assert not any(task.done() for task in tasks)
                await asyncio.sleep(0.02)
    except TimeoutError:
        pass
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await manager.stop_all()
    return fired


def test_one_listing_serves_all_and_each_sees_what_its_own_claims_leave(tmp_path, counted):
    write_object(f"{tmp_path}/raw/a.csv", b"1")
    (found,) = objects(f"{tmp_path}/raw/*.csv")
    taken = SourceClaims(f"file://{tmp_path}/store", pipeline="p1", source="s")
    taken.claim(taken.read(), dag_run="r", objects=(found,), now=1.0)
    fired = asyncio.run(first_events(*(trigger(tmp_path, f"p{number}") for number in range(3)), seconds=1.5))
    assert fired.keys() == {0, 2}
    assert fired[0] == {"source": "s", "objects": 1, "unsettled": 0}
    # At most one look each 0.2 s, whoever takes part.
    assert len(counted) <= 9
    assert shared_looks._WATCHERS == {}


def test_what_is_listed_otherwise_is_not_shared(tmp_path):
    keys = {
        trigger(tmp_path, "p").shared_stream_key(),
        trigger(tmp_path, "q").shared_stream_key(),
        trigger(tmp_path, "p", settling=Quiet(5.0)).shared_stream_key(),
        trigger(tmp_path, "p", settling=Marked("_DONE")).shared_stream_key(),
    }
    assert len(keys) == 2
    of_model = [
        NewDataTrigger(
            source=WatchedSource("memory://x", pipeline, "s", ModelVersions("m"), Quiet(0.0)).to_plain(), poll=1.0
        ).shared_stream_key()
        for pipeline in ("p", "q")
    ]
    assert of_model[0] != of_model[1]


def test_claims_that_cannot_be_read_hold_up_nobody_else(tmp_path, caplog):
    write_object(f"{tmp_path}/raw/a.csv", b"1")
    write_object(f"{tmp_path}/store/_sources/broken/s/log/0000000001.claim.json", b"no JSON")
    fired = asyncio.run(first_events(trigger(tmp_path, "broken"), trigger(tmp_path, "sound"), seconds=1.5))
    assert fired.keys() == {1}
    assert "The claims of source s of broken cannot be read" in caplog.text


def test_a_source_that_does_not_answer_is_looked_at_again(tmp_path, monkeypatch, caplog):
    write_object(f"{tmp_path}/raw/a.csv", b"1")
    away = iter([True, True])

    def listed(*arguments, **options):
        if next(away, False):
            raise StoreUnavailableError("could not list")
        return objects(*arguments, **options)

    monkeypatch.setattr(watched_source, "objects", listed)
    fired = asyncio.run(first_events(trigger(tmp_path, "p")))
    assert fired.keys() == {0}
    assert caplog.text.count("Source s of p cannot be looked at: could not list") == 2


def test_a_deferred_task_looks_alone(tmp_path):
    write_object(f"{tmp_path}/raw/a.csv", b"1")

    async def first():
        return await anext(trigger(tmp_path, "p").run())

    assert asyncio.run(asyncio.wait_for(first(), 10)).payload["objects"] == 1
